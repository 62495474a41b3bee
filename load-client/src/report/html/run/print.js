// A chart is as wide as the window; paper is narrower, and cuts off what stands over.
(function () {
  const charts = () => document.querySelectorAll('.plotly-graph-div');
  addEventListener('beforeprint', function () {
    for (const chart of charts()) Plotly.relayout(chart, { width: 680 });
  });
  addEventListener('afterprint', function () {
    for (const chart of charts()) Plotly.relayout(chart, { width: null, autosize: true });
  });
})();
