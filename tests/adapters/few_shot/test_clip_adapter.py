from tests.adapters.few_shot.conformance import AdapterConformance


class TestClipAdapter(AdapterConformance):
    name = "clip-adapter"
    learns = False  # four fifths of the embedding stay what they were
