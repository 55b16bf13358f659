from tests.adapters.fusion.conformance import FusionConformance


class TestMeanFusion(FusionConformance):
    name = "mean"
