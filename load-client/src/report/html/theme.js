// Charts take the page's text colour, which follows the reader's light or dark setting. For paper they are
// drawn anew in its size: a chart keeps the pixels of the screen, and a narrow page would cut it.
(function () {
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  // A4 and US letter less the margins of page.css, at 96 pixels an inch, the narrower of each side.
  const paper = { width: 690, height: 300, 'font.color': '#000000' };
  function relayout(change) {
    for (const chart of document.querySelectorAll('.plotly-graph-div')) {
      Plotly.relayout(chart, change);
    }
  }
  function screen() {
    const colour = getComputedStyle(document.body).color;
    relayout({ autosize: true, width: null, height: null, 'font.color': colour });
  }
  dark.addEventListener('change', screen);
  window.addEventListener('beforeprint', () => relayout(paper));
  window.addEventListener('afterprint', screen);
  screen();
})();
