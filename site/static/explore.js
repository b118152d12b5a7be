// Turns a list of named frames into one picture with two sliders. Without scripts,
// the frames stay a list.

// Return a slider with a label and a place that says its value.
function makeSlider(name, highest, value) {
  const label = document.createElement("label");
  const output = document.createElement("output");
  const input = document.createElement("input");
  const id = name.toLowerCase().replaceAll(" ", "-");
  Object.assign(input, { type: "range", min: 0, max: highest, step: 1, id });
  input.value = value;
  label.htmlFor = id; // a label names its first element otherwise: the output
  label.append(name + ": ", output, input);
  return { label, output, input };
}

// Show one frame of a list at a time, over the first one.
function explore(list) {
  const frames = [...list.querySelectorAll("img")];
  const names = [...list.querySelectorAll("strong")].map((name) => name.textContent);
  const top = frames[0].cloneNode();
  const stage = document.createElement("div");
  stage.className = "stage";
  stage.append(frames[0].cloneNode(), top);

  const choice = makeSlider(list.dataset.label, frames.length - 1, 1);
  const opacity = makeSlider("Opacity of the label map", 100, 100);

  function draw() {
    const number = Number(choice.input.value);
    top.src = frames[number].src;
    top.alt = frames[number].alt;
    top.style.opacity = opacity.input.value / 100;
    choice.output.textContent = names[number];
    choice.input.setAttribute("aria-valuetext", names[number]);
    opacity.output.textContent = opacity.input.value + " %";
    opacity.input.setAttribute("aria-valuetext", opacity.output.textContent);
  }

  for (const slider of [choice, opacity]) {
    slider.input.addEventListener("input", draw);
  }
  draw();
  list.replaceChildren(stage, choice.label, opacity.label);
}

document.querySelectorAll(".frames").forEach(explore);
