from tests.adapters.fusion.conformance import FusionConformance


class TestEarlyFusion(FusionConformance):
    name = "early"
