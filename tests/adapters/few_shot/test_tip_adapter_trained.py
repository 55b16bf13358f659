from tests.adapters.few_shot.conformance import AdapterConformance


class TestTrainedTipAdapter(AdapterConformance):
    name = "tip-adapter-f"
    learns = False  # six shots of at most one vote each cannot outvote these words
