// Redraws the charts in the colours of the reader's light or dark setting, which are the pairs of palette.css. For
// paper it draws them in the size of the paper, because a narrow page would cut a chart of the screen's size.
(function () {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const { style } = document.styleSheets[0].cssRules[0];
  const pairs = [...style].map((name) => style.getPropertyValue(name).match(/#\w+/g)).filter((pair) => pair?.length === 2);
  const charts = [...document.querySelectorAll('.plotly-graph-div')];
  // The charts as they were made, in light colours.
  const drawn = charts.map(({ data, layout }) => JSON.stringify({ data, layout }));
  // The smaller sides of A4 and US letter, without the margins of page.css, at 96 pixels per inch.
  const paper = (chart) => ({ width: 690, height: chart.closest('.tall') ? 620 : 300 });

  function draw(isDark, sizeOf) {
    charts.forEach((chart, index) => {
      const repaint = (text, [light, other]) => text.replaceAll(light, other);
      const { data, layout } = JSON.parse(isDark ? pairs.reduce(repaint, drawn[index]) : drawn[index]);
      // The legend is above the curves, with as many lines as it needs.
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
