// The texts below `selector` that have less contrast than `least` to what is behind them, as "ratio text".
// Colours are put over each other as a browser does it, with their alpha and the opacity of all that they stand in, so
// that a single mark such as a tick counts, too, which axe leaves to the reader.
([selector, least, skipped = ":disabled"]) => {
  const rgba = (text) => {
    const numbers = (text.match(/-?[\d.]+(?:e-?\d+)?%?/g) ?? []).map((n) => (n.endsWith("%") ? parseFloat(n) / 100 : +n));
    if (text.startsWith("color(")) return [...numbers.slice(0, 3).map((n) => n * 255), numbers[3] ?? 1];
    return [...numbers.slice(0, 3), numbers[3] ?? 1];
  };
  const mix = (over, under, share) => over.map((value, at) => share * value + (1 - share) * under[at]);
  const light = (colour) => {
    const [r, g, b] = colour.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [high, low] = [light(one), light(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  const contrast = (element) => {
    const chain = [];
    for (let at = element; at; at = at.parentElement) chain.unshift(at);
    let ground = [255, 255, 255];
    const groups = [];
    for (const one of chain) {
      const style = getComputedStyle(one);
      if (+style.opacity < 1) groups.unshift([+style.opacity, ground]);
      const [r, g, b, a] = rgba(style.backgroundColor);
      ground = mix([r, g, b], ground, a);
    }
    const [r, g, b, a] = rgba(getComputedStyle(element).color);
    let text = mix([r, g, b], ground, a);
    for (const [opacity, below] of groups) [text, ground] = [mix(text, below, opacity), mix(ground, below, opacity)];
    return groups.some(([opacity]) => opacity === 0) ? 21 : ratio(text, ground);
  };
  const found = new Set();
  for (const root of document.querySelectorAll(selector)) {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      if (!node.data.trim() || !element.checkVisibility() || element.closest(":disabled, [aria-disabled=true], mjx-assistive-mml")) continue;
      if (element.closest(skipped)) continue;
      const share = contrast(element);
      if (share < least) found.add(`${share.toFixed(2)} ${element.className} ${node.data.trim().slice(0, 40)}`);
    }
  }
  return [...found];
}
