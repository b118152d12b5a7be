"""Draw pasture scenes and their exact label maps.

A scene is drawn from far to near on a canvas of twice the size, in units of the
shorter side of the picture, and then shrunk: colors are averaged, and a pixel's label
is the class that covers most of it. Each seed gives one scene, at any size.

The colors of the classes overlap on purpose: coats, fences, trunks and autumn leaves
share browns, snow, clouds and greys share whites, and every scene has a light and a
color cast of its own. Only shape and context tell a horse.
"""

import functools
import numbers

import cv2
import numpy as np

CLASSES = ("sky", "grass", "tree", "fence", "horse")
SKY, GRASS, TREE, FENCE, HORSE = range(5)
VOID = 255

OVERSAMPLING = 2  # canvas pixels per pixel of the picture, along each side
SMALLEST, LARGEST = 32, 1024  # sides for which the proportions were looked at

COATS = np.array(
    [
        (112, 66, 38),  # bay
        (152, 84, 44),  # chestnut
        (40, 34, 32),  # black
        (74, 48, 34),  # dark brown
        (186, 184, 180),  # grey
        (232, 228, 218),  # white
        (206, 166, 104),  # palomino
        (172, 142, 104),  # dun
        (128, 112, 104),  # roan
    ],
    "float32",
)
MANES = np.array([(28, 24, 24), (60, 40, 30), (225, 205, 165), (240, 238, 230)])
FENCES = np.array(
    [
        (122, 84, 52),  # weathered brown
        (84, 62, 48),  # dark brown
        (150, 146, 138),  # grey
        (232, 230, 222),  # white paint
        (176, 128, 78),  # new wood
    ],
    "float32",
)
GROUNDS = {
    "summer": ((78, 118, 44), (112, 142, 60), (66, 98, 52)),
    "dry": ((176, 152, 92), (150, 136, 78), (138, 112, 68)),
    "autumn": ((128, 116, 56), (146, 110, 58), (108, 96, 48)),
    "snow": ((226, 230, 236), (208, 214, 224), (238, 238, 238)),
}
LEAVES = {
    "summer": ((48, 86, 36), (74, 110, 44), (38, 70, 44)),
    "dry": ((92, 98, 48), (116, 108, 56), (70, 84, 44)),
    "autumn": ((176, 96, 36), (152, 66, 36), (188, 146, 56)),
    "snow": ((52, 66, 56), (84, 78, 72), (44, 56, 50)),
}
# The sky's color overhead and at the horizon, and the color of the light.
LIGHTS = {
    "day": ((92, 146, 208), (190, 214, 232), (1.0, 1.0, 1.0)),
    "overcast": ((172, 178, 184), (208, 208, 206), (0.86, 0.88, 0.9)),
    "dusk": ((96, 88, 122), (232, 164, 112), (0.98, 0.84, 0.76)),
    "night": ((66, 78, 116), (118, 126, 156), (0.44, 0.48, 0.6)),
}
CLOUDS = {
    "day": (236, 234, 232),
    "overcast": (222, 222, 220),
    "dusk": (206, 128, 96),
    "night": (112, 118, 140),
}

TORSO = np.array(
    [
        (-0.56, 0.78),
        (-0.50, 0.93),
        (-0.34, 0.99),
        (-0.10, 0.93),
        (0.12, 0.92),
        (0.32, 0.99),
        (0.46, 0.88),
        (0.52, 0.72),
        (0.43, 0.57),
        (0.26, 0.51),
        (0.00, 0.48),
        (-0.24, 0.53),
        (-0.44, 0.58),
    ]
)
# Per pose: neck and head in degrees above the horizontal, and for near front, far
# front, near hind and far hind leg the angles of its upper and lower part, in degrees
# forward of straight down.
POSES = {
    "standing": (52, -42, ((3, -2), (-4, 2), (-16, 8), (-22, 6))),
    "resting": (30, -48, ((0, 2), (6, -3), (-14, 10), (-8, 14))),
    "grazing": (-40, -72, ((12, 4), (-8, -6), (-14, 4), (-24, 2))),
    "trotting": (46, -36, ((34, -14), (-16, -42), (-44, -22), (4, 18))),
}


def draw_scene(seed, height=128, width=128):
    """Draw one pasture scene and its label map.

    Args:
        seed: integer >= 0; one seed is one scene, at every size.
        height: integer, rows of the picture, from 32 to 1024.
        width: integer, columns of the picture, from 32 to 1024.

    Returns:
        `image`, (H, W, 3) uint8 RGB, and `labels`, (H, W) uint8 with the positions in
        `CLASSES` and 255 for the void rim around horses and fences.

    Raises:
        ValueError: for a negative seed or a side out of range.

    Example:

    >>> image, labels = draw_scene(seed=7, height=64, width=96)
    >>> image.shape, labels.shape
    ((64, 96, 3), (64, 96))
    """
    _check(seed, height, width)
    canvas = _Canvas(seed, height, width)
    _draw_ground(canvas)
    for draw in _cast(canvas):
        draw()
    return canvas.develop()


def draw_scenes(seeds, height=128, width=128):
    """Draw several scenes of one size.

    Args:
        seeds: iterable of integers >= 0, one a scene.
        height: integer, rows of each picture, from 32 to 1024.
        width: integer, columns of each picture, from 32 to 1024.

    Returns:
        `images`, (N, H, W, 3) uint8 RGB, and `labels`, (N, H, W) uint8.

    Raises:
        ValueError: for a negative seed, a side out of range, or no seed at all.

    Example:

    >>> images, labels = draw_scenes(range(3), height=32, width=32)
    >>> images.shape, labels.shape
    ((3, 32, 32, 3), (3, 32, 32))
    """
    scenes = [draw_scene(seed, height, width) for seed in seeds]
    if not scenes:
        raise ValueError("expected at least one seed, got none: pass range(1) or more")
    images, labels = zip(*scenes, strict=True)
    return np.stack(images), np.stack(labels)


def _check(seed, height, width):
    """Refuse what cannot be drawn."""
    if not isinstance(seed, numbers.Integral) or seed < 0:
        raise ValueError(f"expected a seed that is an integer >= 0, got {seed!r}")
    for name, side in (("height", height), ("width", width)):
        if not isinstance(side, numbers.Integral) or not SMALLEST <= side <= LARGEST:
            raise ValueError(
                f"expected a {name} from {SMALLEST} to {LARGEST}, got {side!r}: "
                "draw within these limits and resize the picture"
            )


class _Canvas:
    """A scene being drawn: its pixels, its labels, its weather and its dice."""

    def __init__(self, seed, height, width):
        self.seed, self.size = seed, (width, height)
        self.random = np.random.default_rng(seed)
        self.scale = OVERSAMPLING * min(height, width)  # canvas pixels per unit
        self.bottom = OVERSAMPLING * height / self.scale
        self.right = OVERSAMPLING * width / self.scale
        self.season = self.random.choice(list(GROUNDS), p=(0.35, 0.2, 0.25, 0.2))
        self.light = self.random.choice(list(LIGHTS), p=(0.4, 0.25, 0.2, 0.15))
        self.horizon = self.bottom * self.random.uniform(0.16, 0.52)
        self.haze = self.random.uniform(0, 0.5) ** 1.5
        self.sky = [self.tint(color, 22) for color in LIGHTS[self.light][:2]]
        self.clouds = self.noise(4, 3, 4)
        self.texture = self.noise(10, 20, 4)  # upright, as grass is
        roughness = self.random.uniform((0, 6, 8, 4, 0), (1, 22, 24, 10, 2))
        self.roughness = roughness.astype("float32")  # of each class
        self.shadow = np.zeros((height, width), "float32")
        self.labels = np.full(
            (OVERSAMPLING * height, OVERSAMPLING * width), SKY, "uint8"
        )
        self.image = cv2.resize(_paint_sky(self), self.labels.shape[::-1])

    def tint(self, color, spread):
        """Vary a color: mostly its lightness, a little its hue."""
        lightness = self.random.normal(0, spread)
        hue = self.random.normal(0, spread / 3, 3)
        return (np.asarray(color) + lightness + hue).clip(4, 250).astype("float32")

    def noise(self, down, across, octaves):
        """Return fractal noise with so many cells a unit, about -1 to 1."""
        total = np.zeros(self.size[::-1], "float32")
        cells = np.array((down * self.bottom, across * self.right))
        for octave in range(octaves):
            grid = (cells * 2**octave).astype(int) + 2
            values = self.random.uniform(-1, 1, grid).astype("float32")
            total += cv2.resize(values, self.size) * 0.5**octave
        return total

    def pixels(self, points):
        """Turn points in units into the canvas's fixed-point pixels."""
        return np.rint((points * self.scale - 0.5) * 16).astype("int32")

    def paint(self, parts, label, distance=0.0):
        """Fill polygons of (points, color), the first ones lowest, paler in haze."""
        for polygon, (_, color) in zip(self.polygons(parts), parts, strict=True):
            color = color + (self.sky[1] - color) * (distance * self.haze)
            cv2.fillPoly(self.image, [polygon], color.tolist(), shift=4)
            cv2.fillPoly(self.labels, [polygon], label, shift=4)

    def polygons(self, parts):
        """Return the points of each part as pixels, all converted in one go."""
        outlines = [points for points, _ in parts]
        ends = np.cumsum([len(points) for points in outlines])
        return np.split(self.pixels(np.concatenate(outlines)), ends[:-1])

    def cast_shadow(self, center, radii):
        """Darken an ellipse of ground under what stands there."""
        scale = min(self.size)  # the shadows have the picture's size
        x, y = np.rint((np.array(center) * scale - 0.5) * 16).astype(int).tolist()
        axes = np.rint(np.array(radii) * scale * 16).astype(int).tolist()
        cv2.ellipse(self.shadow, (x, y), axes, 0, 0, 360, 0.45, -1, shift=4)

    def develop(self):
        """Shrink the canvas, light the scene, take the picture, add the void rim."""
        image = cv2.resize(self.image, self.size, interpolation=cv2.INTER_AREA)
        labels = _shrink_labels(self.labels, self.size)
        light = self._light(labels)
        image += (self.texture * self.roughness[labels])[:, :, None]
        image *= light[:, :, None]
        color_cast = np.asarray(LIGHTS[self.light][2]) * self.random.normal(1, 0.05, 3)
        gain = color_cast * self.random.uniform(0.85, 1.15)
        contrast = self.random.uniform(0.8, 1.15)
        image *= (contrast * gain).astype("float32")
        image += (110 * (1 - contrast) * gain).astype("float32")
        # The camera's grain has dice of its own: it depends on the number of pixels.
        camera = np.random.default_rng((self.seed, 1))
        grain = camera.standard_normal(image.shape, "float32")
        grain *= np.float32(self.random.uniform(1, 9))
        return cv2.add(image, grain, dtype=cv2.CV_8U), _add_rim(labels)

    def _light(self, labels):
        """Return how much light falls on each pixel: less in shadows, on earth only."""
        blur = 2 * round(0.008 * min(self.size)) + 1
        ground = cv2.blur(self.shadow, (blur, blur)) * (labels == GRASS)
        clouds = (self.clouds[:, ::-1] * 2).clip(0, 1) * (labels != SKY)
        return 1 - np.maximum(ground, clouds * np.float32(self.random.uniform(0, 0.4)))


def _shrink_labels(labels, size):
    """Give each pixel the class that covers most of it, in a tie the nearer one."""
    most = np.zeros(size[::-1], "uint8")
    nearest = np.zeros(size[::-1], "uint8")
    for label in (HORSE, FENCE, TREE, GRASS, SKY):
        there = (labels == label).view("uint8") * np.uint8(252)  # a multiple of 4
        cover = cv2.resize(there, size, interpolation=cv2.INTER_AREA)
        nearest[cover > most] = label
        most = np.maximum(most, cover)
    return nearest


def _add_rim(labels):
    """Mark the rim around horses and fences as void, as Pascal VOC does."""
    radius = max(1, round(min(labels.shape) / 128))
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (2 * radius + 1,) * 2)
    objects = (labels >= FENCE).astype("uint8")
    rim = cv2.dilate(objects, kernel) > objects
    labels[rim] = VOID
    return labels


@functools.cache
def _catmull_rom(steps):
    """Return the weights of four neighbors at `steps` places of a segment."""
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    powers = np.concatenate([t**0, t, t**2, t**3], axis=1)
    return (
        powers
        @ np.array([(0, 2, 0, 0), (-1, 0, 1, 0), (2, -5, 4, -1), (-1, 3, -3, 1)])
        / 2
    )


def _smooth(points, steps=4, closed=True):
    """Return a Catmull-Rom curve through `points`, (..., n, 2), `steps` a segment."""
    if closed:
        first, last = points[..., -1:, :], points[..., :2, :]
    else:
        first, last = points[..., :1, :], points[..., -1:, :]
    padded = np.concatenate([first, points, last], axis=-2)
    count = padded.shape[-2] - 3
    neighbors = np.stack([padded[..., k : k + count, :] for k in range(4)], axis=-2)
    curve = _catmull_rom(steps) @ neighbors
    return curve.reshape(*points.shape[:-2], count * steps, 2)


def _limb(joints, widths):
    """Return the outline of a limb through `joints`, `widths` thick at each."""
    joints = np.asarray(joints, float)
    along = np.empty_like(joints)
    along[0], along[-1] = joints[1] - joints[0], joints[-1] - joints[-2]
    along[1:-1] = joints[2:] - joints[:-2]
    half = np.asarray(widths) / (2 * np.hypot(along[:, 0], along[:, 1]) + 1e-9)
    across = along[:, ::-1] * (-1, 1) * half[:, None]
    return np.concatenate([joints + across, (joints - across)[::-1]])


def _direction(degrees):
    """Return the unit vector at an angle above the horizontal, y upward."""
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


def _paint_sky(canvas):
    """Return a graded sky with clouds, at the picture's size."""
    random, (top, low) = canvas.random, canvas.sky
    rows = canvas.size[1]
    depth = np.linspace(0, canvas.bottom / canvas.horizon, rows, dtype="float32")
    gradient = top + (low - top) * depth.clip(0, 1)[:, None]
    cloud = canvas.tint(CLOUDS[canvas.light], 22)
    cover = canvas.clouds + np.float32(random.uniform(-0.6, 0.7))
    cover = cover.clip(0, 1)[:, :, None] * np.float32(random.uniform(0.5, 1))
    return gradient[:, None] * (1 - cover) + cloud * cover


def _draw_ground(canvas):
    """Draw one to three rolling hills, the far ones in haze."""
    random = canvas.random
    across = np.linspace(-0.1, 1.1, 13) * canvas.right
    floor = [(across[-1], canvas.bottom + 0.1), (across[0], canvas.bottom + 0.1)]
    for hill in range(random.integers(1, 4)):
        level = canvas.horizon + (canvas.bottom - canvas.horizon) * 0.22 * hill
        swing = random.uniform(0.01, 0.06) * random.standard_normal(3) / (1, 2, 3)
        waves = np.sin(across[:, None] * (1.7, 3.1, 6.3) + random.uniform(0, 6, 3))
        ridge = _smooth(np.stack([across, level + waves @ swing], 1), 8, closed=False)
        color = canvas.tint(GROUNDS[canvas.season][random.integers(3)], 14)
        canvas.paint([(np.concatenate([ridge, floor]), color)], GRASS, 1 / (1 + hill))


def _cast(canvas):
    """Return what stands on the ground as functions that draw it, far to near."""
    random = canvas.random
    stage = []  # (where it stands: its foot, downward; the function that draws it)

    def place(foot, draw, *details):
        stage.append((foot, lambda: draw(canvas, foot, *details)))

    def foot_of(nearness):
        return canvas.horizon + (canvas.bottom - canvas.horizon) * nearness

    if random.random() < 0.45:
        place(foot_of(0.02), _draw_treeline)
    if random.random() < 0.9:
        for _ in range(random.integers(1, 5)):
            nearness = random.uniform(0.03, 1) ** 2
            place(foot_of(nearness), _draw_tree, nearness)
    for _ in range(random.choice((1, 2, 3), p=(0.5, 0.3, 0.2))):
        nearness = random.uniform(0.15, 0.95)
        place(foot_of(nearness), _draw_horse, nearness)
    for _ in range(random.choice((0, 1, 2), p=(0.12, 0.6, 0.28))):
        nearness = random.uniform(0.1, 0.98)
        place(foot_of(nearness), _draw_fence, nearness)
    return [draw for _, draw in sorted(stage, key=lambda entry: entry[0])]


def _height_at(nearness):
    """Return the height of a horse's withers at a place on the ground, in units."""
    return 0.14 + 0.34 * nearness


def _draw_treeline(canvas, foot):
    """Draw a wood far away, along the horizon."""
    random = canvas.random
    leaf = canvas.tint(LEAVES[canvas.season][random.integers(3)], 14)
    start, end = np.sort(random.uniform(-0.3, 1.3, 2)) * canvas.right
    count = int((end - start) / 0.035) + 2
    tops = np.linspace(start, end, count)
    heights = random.uniform(0.02, 0.07, count)
    ridge = _smooth(np.stack([tops, foot - heights], axis=1), 3, closed=False)
    base = [(end, foot + 0.03), (start, foot + 0.03)]
    canvas.paint([(np.concatenate([ridge, base]), leaf)], TREE, 0.9)


def _draw_tree(canvas, foot, nearness):
    """Draw a broad-leaved tree or a conifer."""
    random = canvas.random
    height = (0.3 + 0.6 * nearness) * random.uniform(0.7, 1.3)
    x = random.uniform(-0.05, 1.05) * canvas.right
    leaf = canvas.tint(LEAVES[canvas.season][random.integers(3)], 16)
    bark = canvas.tint((96, 74, 56) if random.random() < 0.75 else (190, 186, 178), 14)
    parts = _conifer if random.random() < 0.4 else _broadleaf
    canvas.cast_shadow((x, foot), (0.22 * height, 0.045 * height))
    snowy = canvas.season == "snow"
    canvas.paint(
        parts(random, x, foot, height, leaf, bark, snowy), TREE, (1 - nearness) * 0.8
    )


def _broadleaf(random, x, foot, height, leaf, bark, snow):
    """Return a trunk and a crown of overlapping blobs, dark below and light above."""
    width = height * random.uniform(0.05, 0.1)
    lean = random.normal(0, 0.04) * height
    crown = np.array((x + lean, foot - 0.66 * height))
    trunk = _limb(
        [(x, foot), (x + lean / 2, foot - 0.3 * height), crown],
        [width * 1.4, width, width * 0.6],
    )
    radius = height * random.uniform(0.24, 0.36)
    count = 14
    angle = random.uniform(0, 2 * np.pi, count)
    reach = np.sqrt(random.uniform(0, 1, count)) * radius * 0.85
    centers = crown + np.stack(
        [np.cos(angle) * reach, np.sin(angle) * reach * 0.9], axis=1
    )
    centers = centers[np.argsort(-centers[:, 1])]
    sizes = radius * random.uniform(0.28, 0.5, count)
    light = np.linspace(-26, 24, count) + random.normal(0, 5, count)
    turn = np.linspace(0, 2 * np.pi, 11, endpoint=False)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    wobble = random.uniform(0.85, 1.15, (count, 11, 1)) * sizes[:, None, None]
    blobs = _smooth(centers[:, None] + circle * wobble, 3)
    if snow:
        light += np.where(np.arange(count) > 0.6 * count, 90, 0)
    colors = (leaf + light[:, None]).clip(0, 245)
    return [(trunk, bark), *zip(blobs, colors, strict=True)]


def _conifer(random, x, foot, height, leaf, bark, snow):
    """Return a trunk and tiers of boughs, each tier narrower and lighter."""
    width = height * random.uniform(0.16, 0.26)
    trunk = _limb([(x, foot), (x, foot - 0.5 * height)], [height * 0.05, height * 0.04])
    parts = [(trunk, bark)]
    tiers = random.integers(4, 7)
    for tier in range(tiers):
        low = foot - height * (0.12 + 0.72 * tier / tiers)
        half = width * (1 - 0.8 * tier / tiers) * random.uniform(0.9, 1.1)
        rise = height * 1.25 / (tiers + 1)
        across = np.linspace(-1, 1, 9)
        hem = low - 0.35 * rise * (np.arange(9) % 2) * random.uniform(0.4, 1, 9)
        bough = np.stack(
            [x + across * half, hem - 0.15 * rise * np.abs(across)], axis=1
        )
        points = np.concatenate([bough, [(x, low - rise)]])
        lift = 70 if snow and random.random() < 0.7 else 0
        parts.append((points, np.clip(leaf - 14 + 30 * tier / tiers + lift, 0, 250)))
    return parts


def _draw_fence(canvas, foot, nearness):
    """Draw a rail fence or a picket fence, along the whole scene or a part of it."""
    random = canvas.random
    height = 0.62 * _height_at(nearness) * random.uniform(0.75, 1.25)
    slope, taper = random.normal(0, 0.05), random.uniform(-0.35, 0.35)
    start, end = -0.1, canvas.right + 0.1
    if random.random() < 0.35:
        start, end = np.sort(random.uniform(-0.1, 1.1, 2)) * canvas.right
        end = max(end, start + 0.4)

    def place(x, rise):
        """Turn a place along the fence and a fraction of its height into a point."""
        away = x - (start + end) / 2
        lift = rise * height * (1 + taper * away / (end - start))
        return np.stack(np.broadcast_arrays(x, foot + slope * away - lift), axis=-1)

    kind = _pickets if random.random() < 0.3 else _rails
    rails, uprights = kind(random, start, end, height, place)
    outlines = [*rails, *uprights]
    color = canvas.tint(FENCES[random.integers(len(FENCES))], 12)
    shades = color * random.uniform(0.86, 1.04, (len(outlines), 1))
    parts = list(zip(outlines, shades, strict=True))
    canvas.paint(parts, FENCE, (1 - nearness) * 0.5)


def _rails(random, start, end, height, place):
    """Return the outlines of two or three rails and of the posts that hold them."""
    thick = np.clip(height * random.uniform(0.05, 0.08), 0.006, 0.014)
    rises = np.linspace(0.42, 0.86, random.integers(2, 4))[:, None]
    rails = _bars(place(np.array([start, end]), rises), (0, thick))
    posts = np.arange(start, end, height * random.uniform(1.0, 1.8))[:, None]
    return rails, _bars(place(posts, np.array([0.0, 1.0])), (1.1 * thick, 0))


def _pickets(random, start, end, height, place):
    """Return the outlines of two rails and of the pointed pales before them."""
    thick = np.clip(height * random.uniform(0.07, 0.1), 0.008, 0.015)
    rises = np.array([[0.3], [0.72]])
    rails = _bars(place(np.array([start, end]), rises), (0, 0.8 * thick))
    pales = np.arange(start, end, thick * random.uniform(2.6, 3.6))[:, None]
    across = np.array([-0.5, -0.5, 0, 0.5, 0.5]) * thick
    return rails, place(pales + across, np.array([0.02, 0.9, 1.02, 0.9, 0.02]))


def _bars(ends, thickness):
    """Return the outlines of bars between two `ends` each, (n, 2, 2)."""
    half = np.array(thickness) / 2
    return np.concatenate([ends - half, ends[:, ::-1] + half], axis=1)


def _draw_horse(canvas, foot, nearness):
    """Draw a horse: a pose, a direction, a coat."""
    random = canvas.random
    height = _height_at(nearness) * random.uniform(0.85, 1.15)
    x = random.uniform(0.08, 0.92) * canvas.right
    facing = random.choice((-1, 1))
    coat = canvas.tint(COATS[random.integers(len(COATS))], 12)
    hair = canvas.tint(MANES[random.integers(len(MANES))], 10)
    if random.random() < 0.4:
        hair = coat * random.uniform(0.6, 0.95)
    pose = POSES[random.choice(list(POSES), p=(0.35, 0.15, 0.25, 0.25))]
    stretch = height * random.uniform(0.94, 1.08)
    parts = [
        (
            np.stack(
                [x + facing * stretch * points[:, 0], foot - height * points[:, 1]], 1
            ),
            color,
        )
        for points, color in _horse_parts(random, pose, coat, hair)
    ]
    canvas.cast_shadow((x, foot), (0.55 * height, 0.07 * height))
    _paint_horse(canvas, parts, height, (1 - nearness) * 0.35)


def _paint_horse(canvas, parts, height, distance):
    """Paint a horse apart, round its body, lay patches on its coat, put it in place."""
    polygons = canvas.polygons(parts)
    corners = np.concatenate(polygons) // 16
    limit = canvas.labels.shape[::-1]
    left, top = (corners.min(axis=0) - 2).clip(0, limit)
    right, bottom = (corners.max(axis=0) + 3).clip(0, limit)
    if left == right or top == bottom:
        return
    window = slice(top, bottom), slice(left, right)
    color = np.zeros((bottom - top, right - left, 3), "float32")
    mask = np.zeros(color.shape[:2], "uint8")
    for polygon, (_, part_color) in zip(polygons, parts, strict=True):
        inside = [polygon - (left * 16, top * 16)]
        cv2.fillPoly(color, inside, part_color.tolist(), shift=4)
        cv2.fillPoly(mask, inside, 1, shift=4)
    coat = _round_off(_lay_patches(canvas, color), mask, 0.13 * height * canvas.scale)
    coat += (canvas.sky[1] - coat) * np.float32(distance * canvas.haze)
    cv2.copyTo(coat, mask, canvas.image[window])
    canvas.labels[window][mask > 0] = HORSE


def _lay_patches(canvas, color):
    """Give some horses large patches of another color."""
    random = canvas.random
    patch = canvas.tint(COATS[random.choice((2, 5))], 10)
    spots = random.uniform(-1, 1, (5, 7)).astype("float32")
    level = random.uniform(0.0, 0.3) + (random.random() < 0.75) * 9
    size = color.shape[1::-1]
    blobs = cv2.resize(spots, size, interpolation=cv2.INTER_CUBIC) > level
    color[blobs] = patch
    return color


def _round_off(color, mask, depth):
    """Shade a flat shape as a round body lit from above; `depth` in canvas pixels."""
    inside = (cv2.distanceTransform(mask, cv2.DIST_L2, 3) / depth).clip(0, 1)
    above = np.linspace(1.08, 0.84, len(mask), dtype="float32")[:, None]
    return color * ((0.66 + 0.34 * inside) * above)[:, :, None]


def _horse_parts(random, pose, coat, hair):
    """Return a horse one unit high at the withers, facing right, its feet at y = 0."""
    neck_angle, head_angle, legs = pose
    neck_angle, head_angle = random.normal((neck_angle, head_angle), 6)
    near_front, far_front, near_hind, far_hind = random.normal(legs, 4)
    white = np.array((236, 232, 224))
    shins = np.where(random.random((4, 1)) < 0.25, white, coat * 0.8)
    far = coat * 0.72
    base = np.array((0.36, 0.80))
    poll = base + _direction(neck_angle) * 0.58
    crest = base + _direction(neck_angle + 10) * 0.32
    neck = _limb([base - _direction(neck_angle) * 0.12, crest, poll], (0.46, 0.3, 0.16))
    return [
        *_leg(far_front, (0.30, 0.60), 0.30, far, shins[0] * 0.8),
        *_leg(far_hind, (-0.36, 0.66), 0.36, far, shins[1] * 0.8),
        (_tail(random.normal(0, 0.08)), hair),
        *_head(poll, head_angle, coat, white if random.random() < 0.35 else coat),
        (_smooth(neck), coat),
        (_smooth(TORSO), coat),
        *_leg(near_front, (0.36, 0.62), 0.32, coat, shins[2]),
        *_leg(near_hind, (-0.42, 0.68), 0.36, coat, shins[3]),
        (_mane(base, crest, poll, _direction(neck_angle + 90)), hair),
    ]


def _leg(angles, hip, upper, color, shin):
    """Return one leg: thigh down to the knee, cannon down to the fetlock, hoof."""
    hip = np.asarray(hip)
    knee = hip + _direction(angles[0] - 90) * upper
    fetlock = knee + _direction(angles[1] - 90) * 0.25
    toe = fetlock + _direction(angles[1] - 62) * 0.09
    thigh = _smooth(_limb([hip, (hip + knee) / 2, knee], (0.24, 0.14, 0.062)), 3)
    cannon = [knee, (knee + fetlock) / 2, fetlock, toe]
    hoof = _limb([fetlock + (toe - fetlock) * 0.6, toe], (0.055, 0.07))
    return [
        (thigh, color),
        (_limb(cannon, (0.062, 0.04, 0.046, 0.07)), shin),
        (hoof, np.array((58, 50, 44))),
    ]


def _tail(swing):
    """Return the outline of a tail, hanging and swung."""
    joints = [
        (-0.5, 0.92),
        (-0.62, 0.8),
        (-0.66 - swing / 2, 0.55),
        (-0.64 - swing, 0.28),
    ]
    return _smooth(_limb(joints, (0.05, 0.10, 0.13, 0.03)), 3)


def _head(poll, angle, coat, blaze):
    """Return ears, head, blaze, nostril and eye."""
    ahead, above = _direction(angle), _direction(angle + 90)

    def at(forward, upward):
        return poll + ahead * forward + above * upward

    skull = _limb(
        [at(-0.05, 0), at(0.12, 0), at(0.3, 0), at(0.4, 0)], (0.12, 0.2, 0.12, 0.1)
    )
    near_ear = np.array([at(-0.06, 0.02), at(-0.07, 0.16), at(0.03, 0.06)])
    face = np.array([at(0.08, 0.09), at(0.3, 0.06), at(0.38, 0.035), at(0.12, 0.055)])
    eye = _smooth(
        np.array([at(0.08, 0.05), at(0.1, 0.065), at(0.125, 0.045), at(0.1, 0.035)]), 3
    )
    nostril = np.array([at(0.36, 0.015), at(0.385, 0.01), at(0.37, -0.01)])
    dark = np.array((22, 18, 18))
    return [
        (near_ear + (0.035, -0.01), coat * 0.7),
        (near_ear, coat * 0.9),
        (_smooth(skull, 3), coat),
        (face, blaze),
        (nostril, dark),
        (eye, dark),
    ]


def _mane(base, crest, poll, above):
    """Return the outline of a mane along the neck and over the poll."""
    joints = [base + above * 0.19, crest + above * 0.12, poll + above * 0.09]
    return _smooth(_limb(joints, (0.05, 0.13, 0.08)), 3)
