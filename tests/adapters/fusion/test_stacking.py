from tests.adapters.fusion.conformance import FusionConformance


class TestStackedFusion(FusionConformance):
    name = "stacking"
    is_centred = False
