from tests.adapters.few_shot.conformance import AdapterConformance


class TestClassAdaptiveProbe(AdapterConformance):
    name = "class-adaptive"
