// Starts the page where it can run, and says why where it cannot.

(() => {
  const message = document.getElementById("message");
  if (location.protocol === "file:") {
    message.textContent =
      "This page was opened as a file, and browsers let such pages load nothing. " +
      "It needs a server: run python -m http.server in the folder of the pages and " +
      "open http://localhost:8000/try_it.html.";
  } else if (typeof WebAssembly === "undefined") {
    message.textContent =
      "This browser has no WebAssembly, or it is switched off, and the networks need " +
      "it. Try another browser, or a newer one.";
  } else {
    import("./try_it.js").catch(() => {
      message.textContent =
        "The program of this page could not be loaded. Load the page again, or try a " +
        "newer browser.";
    });
  }
})();
