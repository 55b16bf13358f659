"""The look: one theme on system fonts, so that nothing is fetched from elsewhere."""

import gradio as gr

__all__ = ["make_theme"]

FONTS = ("Inter", "ui-sans-serif", "system-ui", "PingFang SC", "Noto Sans CJK SC", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

ACCENT = gr.themes.Color(
    name="sceneprint",
    c50="#eef6f6",
    c100="#d5e9e9",
    c200="#aed4d5",
    c300="#7fb8ba",
    c400="#4f979b",
    c500="#2f7a80",
    c600="#23636a",
    c700="#1e5158",
    c800="#1b4248",
    c900="#19373c",
    c950="#0b2226",
)


def make_theme() -> gr.themes.Base:
    """Make the theme: quiet greys, one accent, soft corners."""
    theme = gr.themes.Base(
        primary_hue=ACCENT,
        secondary_hue=ACCENT,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_md,
        font=[gr.themes.Font(name) for name in FONTS],
        font_mono=[gr.themes.Font(name) for name in MONO],
    )
    return theme.set(
        body_background_fill="#f7f6f4",
        body_background_fill_dark="#161514",
        block_background_fill="white",
        block_background_fill_dark="#1f1e1c",
        block_border_color="#e6e3df",
        block_border_color_dark="#33312e",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_title_text_weight="600",
        block_shadow="none",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_500",
        button_primary_background_fill_hover_dark="*primary_600",
        button_primary_text_color="white",
        button_cancel_background_fill="#b3423a",
        button_cancel_background_fill_hover="#973630",
        button_cancel_background_fill_dark="#b3423a",
        button_cancel_background_fill_hover_dark="#973630",
        button_cancel_text_color="white",
        button_cancel_text_color_dark="white",
        checkbox_label_background_fill_dark="#2a2826",
        button_secondary_background_fill_dark="#33312e",
        input_background_fill="white",
        input_background_fill_dark="#1a1917",
        slider_color="*primary_500",
    )
