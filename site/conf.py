"""Sphinx's settings for the pages that `build.py` collects."""

project = "Semantic segmentation"
author = "The fcnlib authors"
copyright = "The fcnlib authors. Code: MIT. Text and figures: CC BY 4.0."

extensions = ["myst_nb", "sphinx.ext.mathjax"]
exclude_patterns = ["parts"]
nb_execution_mode = "off"  # the stored outputs are shown, nothing is run
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# A static host hands these out, and no other host is asked for anything.
mathjax_path = "mathjax/tex-chtml.js"
# The menu's own fonts and speech are not needed: the formula is in the page.
mathjax3_config = {"options": {"enableMenu": False}}

html_theme = "furo"
html_title = "Semantic segmentation with FCNs"
html_favicon = "static/favicon.svg"
html_static_path = ["static", "_build/static"]
html_css_files = ["site.css"]
html_js_files = [(name, {"defer": "defer"}) for name in ("explore.js", "scroll.js")]
html_copy_source = False
html_use_index = False
html_show_sphinx = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

# `make test-links` asks each address twice; anchors of other sites come and go.
linkcheck_anchors = False
linkcheck_retries = 2
linkcheck_timeout = 20

# What screen readers miss in the theme's navigation and in folded cells.
UNNAMED = {
    'role="heading"><span class="caption-text"': (
        'role="heading" aria-level="2"><span class="caption-text"'
    ),
    '<summary aria-label="Toggle hidden content">': "<summary>",
}


def complete_page(app, name, template, context, doctree):
    """Name for screen readers what the theme leaves without a name."""
    for part in ("furo_navigation_tree", "body"):
        for unnamed, named in UNNAMED.items():
            context[part] = context.get(part, "").replace(unnamed, named)


def setup(app):
    """Tell Sphinx what to do when a page is about to be written."""
    app.connect("html-page-context", complete_page, priority=900)
