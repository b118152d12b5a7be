// Shows what a network says of a picture: labels, shares, truth, scores of branches.

import { agreement, bestClasses, fuse, shares, translate } from "./maps.js";
import { largest, paintLabels, paintScores, paintSwatch } from "./paint.js";

const find = (name) => document.getElementById(name);
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const figures = [...document.querySelectorAll("#branches figure")];
const switches = figures.map((figure) => figure.querySelector("input"));
const BRANCHES = ["pool5", "pool4", "pool3"];
const STRIDES = [32, 16, 8];
// {network, picture, result}: what is on the page.
let shown = null;

// Show a result, and return the shares of the classes in words.
export function show(network, picture, result) {
  if (shown?.network !== network) offerClasses(network.classes);
  shown = { network, picture, result };
  find("result").hidden = false;
  showPicture(picture.copy);
  showScores();
  return showLabels();
}

// Redraw what the reader changes.
export function listen() {
  find("patterns").addEventListener("change", showLabels);
  find("shown").addEventListener("change", showScores);
  find("opacity").addEventListener("input", showOpacity);
  for (const each of switches) each.addEventListener("change", showLabels);
  showOpacity();
}

function offerClasses(classes) {
  const options = classes.map((name, label) => new Option(name, label));
  find("shown").replaceChildren(...options);
  find("shown").value = classes.length - 1;
}

function showPicture(copy) {
  const canvas = find("picture");
  Object.assign(canvas, { height: copy.height, width: copy.width });
  canvas.getContext("2d").drawImage(copy, 0, 0);
}

function showOpacity() {
  const value = `${find("opacity").value} %`;
  find("percent").textContent = value;
  find("opacity").setAttribute("aria-valuetext", value);
  find("tint").style.opacity = find("opacity").value / 100;
}

// Return the labels by the branches that are switched on.
function labelsNow() {
  const { logits, branches } = shown.result;
  const wanted = switches.map((each) => each.checked);
  if (wanted.every(Boolean)) return bestClasses(logits);
  return bestClasses(fuse(branches, wanted, logits.height, logits.width));
}

// Say which branches the labels are by, if one is left out.
function nameLabels() {
  const wanted = BRANCHES.filter((_, i) => switches[i].checked);
  if (wanted.length === BRANCHES.length) return "Labels";
  return `Labels by ${wanted.join(" and ") || "no branch"}`;
}

function showLabels() {
  const labels = labelsNow();
  const inWords = describe(labels);
  paint("labels", labels);
  paint("tint", labels, { clear: shown.network.classes.indexOf("background") });
  find("caption").textContent = nameLabels();
  describeCanvas(find("labels"), `${nameLabels()}: ${inWords}`);
  describeCanvas(find("picture"), `The picture, tinted by its labels: ${inWords}`);
  showTruth(labels);
  return inWords;
}

function showTruth(labels) {
  const { network, picture } = shown;
  const truth = picture.truth && translate(picture.truth, network.classes);
  find("true-labels").hidden = find("facts").hidden = !truth;
  showShares(labels, truth);
  if (!truth) return;
  paint("truth", truth);
  describeCanvas(find("truth"), `Truth: ${describe(truth)}`);
  find("facts").textContent =
    `${percent(agreement(truth, labels))} of the pixels have their true label. ` +
    "White is void, which is not counted.";
}

function showShares(labels, truth) {
  const { classes } = shown.network;
  const found = shares(labels, classes.length);
  const expected = truth && shares(truth, classes.length);
  const rows = classes.map((name, label) => {
    const row = document.createElement("tr");
    row.append(makeHeading(name, label));
    row.insertCell().textContent = percent(found[label]);
    row.insertCell().textContent = expected ? percent(expected[label]) : "not known";
    return row;
  });
  find("shares").replaceChildren(...rows);
}

function makeHeading(name, label) {
  const heading = document.createElement("th");
  const swatch = document.createElement("canvas");
  heading.scope = "row";
  swatch.ariaHidden = true;
  Object.assign(swatch, { height: 16, width: 32 });
  paintSwatch(swatch, label, shown.network.colors, find("patterns").checked);
  heading.append(swatch, ` ${name}`);
  return heading;
}

function showScores() {
  const { branches, logits } = shown.result;
  const label = Number(find("shown").value);
  const highest = largest(branches, label);
  branches.forEach((map, i) => {
    const canvas = figures[i].querySelector("canvas");
    paintScores(canvas, map, label, highest);
    alignScores(canvas, map, logits, STRIDES[i]);
    const name = shown.network.classes[label];
    describeCanvas(canvas, `${map.height} × ${map.width} scores of ${name}`);
  });
  find("scale").textContent =
    "Purple is above zero, orange below, white is zero. The strongest color stands " +
    `for ${highest.toFixed(1)}.`;
}

// Scores at the border stand for squares that hang over the picture: cut them.
function alignScores(canvas, map, { height, width }, stride) {
  canvas.parentElement.style.aspectRatio = `${width} / ${height}`;
  canvas.style.width = `${(100 * map.width * stride) / width}%`;
}

function paint(name, labels, options = {}) {
  const { network, result } = shown;
  const patterns = find("patterns").checked;
  const map = { labels, width: result.logits.width };
  paintLabels(find(name), map, network.colors, { patterns, ...options });
}

function describe(labels) {
  const { classes } = shown.network;
  return shares(labels, classes.length)
    .map((share, label) => `${classes[label]} ${percent(share)}`)
    .join(", ");
}

function describeCanvas(canvas, text) {
  canvas.setAttribute("aria-label", text);
}
