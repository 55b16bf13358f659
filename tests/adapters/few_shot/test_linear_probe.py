from tests.adapters.few_shot.conformance import AdapterConformance


class TestLinearProbe(AdapterConformance):
    name = "linear-probe"
