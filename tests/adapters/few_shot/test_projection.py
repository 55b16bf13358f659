from tests.adapters.few_shot.conformance import AdapterConformance


class TestProjectionAdapter(AdapterConformance):
    name = "projection"
