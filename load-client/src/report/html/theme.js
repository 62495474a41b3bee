// Draws the charts anew in the colours of the reader's light or dark setting, which are the pairs of palette.css,
// and for paper in its size: a chart keeps the pixels of the screen, and a narrow page would cut it.
(function () {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const { style } = document.styleSheets[0].cssRules[0];
  const pairs = [...style].map((name) => style.getPropertyValue(name).match(/#\w+/g)).filter((pair) => pair?.length === 2);
  const charts = [...document.querySelectorAll('.plotly-graph-div')];
  // As they came: in the colours of light.
  const drawn = charts.map(({ data, layout }) => JSON.stringify({ data, layout }));
  // A4 and US letter less the margins of page.css, at 96 pixels an inch, the narrower of each side.
  const paper = (chart) => ({ width: 690, height: chart.closest('.tall') ? 620 : 300 });

  function draw(isDark, sizeOf) {
    charts.forEach((chart, index) => {
      const repaint = (text, [light, other]) => text.replaceAll(light, other);
      const { data, layout } = JSON.parse(isDark ? pairs.reduce(repaint, drawn[index]) : drawn[index]);
      // Above the curves, with as many lines as it takes.
      const legend = { ...layout.legend, yref: 'container', y: 1, yanchor: 'top', x: 0 };
      Plotly.react(chart, data, { ...layout, legend, autosize: true, ...sizeOf(chart) });
    });
  }
  const screen = () => draw(dark.matches, () => ({}));
  dark.addEventListener('change', screen);
  addEventListener('beforeprint', () => draw(false, paper));
  addEventListener('afterprint', screen);
  screen();
})();
