from tests.adapters.fusion.conformance import FusionConformance


class TestGatedFusion(FusionConformance):
    name = "gates"
