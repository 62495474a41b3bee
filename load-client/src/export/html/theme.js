// Charts take the page's text colour, which follows the reader's light or dark setting.
(function () {
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  function paint() {
    const colour = getComputedStyle(document.body).color;
    for (const chart of document.querySelectorAll('.plotly-graph-div')) {
      Plotly.relayout(chart, { 'font.color': colour });
    }
  }
  dark.addEventListener('change', paint);
  paint();
})();
