from tests.adapters.few_shot.conformance import AdapterConformance


class TestLpPlusPlus(AdapterConformance):
    name = "lp++"
