from tests.adapters.fusion.conformance import FusionConformance


class TestAttentionFusion(FusionConformance):
    name = "attention"
