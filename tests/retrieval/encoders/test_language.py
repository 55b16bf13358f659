import pytest

from retrieval.encoders.language import guess_language


@pytest.mark.parametrize(
    "text",
    [
        "two bicycles on a street",
        "A man talks in a car",
        "earth from space",
        "car chase at night",
        "kissing in the rain, close-up",
        "drone shot of New York",
        "an empty café",
        "a woman in a red hat",
        "he didn't go",
    ],
)
def test_english(text: str) -> None:
    assert guess_language(text) == "english"


@pytest.mark.parametrize(
    "text",
    [
        "两辆自行车在街上",
        "從太空看地球",
        "iPhone 手机",
        "二台の自転車",
        "두 대의 자전거",
        "два велосипеда на улице",
        "دراجتان في الشارع",
        "จักรยานสองคัน",
        "zwei Fahrräder auf einer Straße",
        "ein Mann spricht im Auto",
        "dos bicicletas en una calle",
        "niños jugando en la nieve",
        "deux vélos dans une rue",
        "la Terre vue de l'espace",
        "due biciclette in una strada",
        "um homem fala num carro",
        "twee fietsen in een straat",
        "dwa rowery na ulicy",
        "kırmızı şapkalı kadın",
        "Ko\u0308pek",  # the two dots as a character of their own
    ],
)
def test_other(text: str) -> None:
    assert guess_language(text) == "other"


@pytest.mark.parametrize("text", ["sunset", "Strand", "goal celebration", "123", "🚲", ""])
def test_no_sign_is_unsure(text: str) -> None:
    assert guess_language(text) == "unsure"


def test_a_few_foreign_letters_do_not_make_a_text_foreign() -> None:
    assert guess_language("a street in Tōkyō (東京) at night with many people") == "english"
