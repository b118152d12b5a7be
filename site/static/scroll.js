// Let the keyboard reach what is wider than the page, so that it can be scrolled.
function reachWide() {
  for (const part of document.querySelectorAll(".highlight pre, .table-wrapper")) {
    if (part.scrollWidth > part.clientWidth) {
      part.tabIndex = 0;
    } else {
      part.removeAttribute("tabindex");
    }
  }
}

reachWide();
window.addEventListener("resize", reachWide);
