"use strict";
(() => {
  const { names, columns } = JSON.parse(document.getElementById("points").textContent);
  const place = document.getElementById("explored");
  // plotly reads some HTML in texts
  const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const isText = (column) => column.some((value) => typeof value === "string");
  const ready = columns.map((column) => (isText(column) ? column.map((v) => v && plain(v)) : column));
  const choice = (axis) => Number(document.getElementById(`choose-${axis}`).value);
  const palette = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999999"];

  const coloured = (index) => {
    if (index < 0) return { color: palette[0] };
    const column = ready[index];
    if (!isText(column)) {
      return { color: column, colorscale: "Viridis", showscale: true, colorbar: { title: { text: plain(names[index]) } } };
    }
    const kinds = [...new Set(column)];
    return { color: column.map((value) => palette[kinds.indexOf(value) % palette.length]) };
  };

  const axis = (index) => ({
    title: { text: plain(names[index]) }, automargin: true, zeroline: false, gridcolor: "#e3e7ed", linecolor: "#566072",
    type: isText(ready[index]) ? "category" : "linear",
  });

  const draw = () => {
    const [x, y, colour] = ["x", "y", "colour"].map(choice);
    const trace = {
      type: "scatter", mode: "markers", x: ready[x], y: ready[y],
      marker: { size: 6, opacity: 0.75, ...coloured(colour) },
      text: colour < 0 ? undefined : ready[colour].map((value) => `${value}`),
      hovertemplate: `%{x}<br>%{y}${colour < 0 ? "" : "<br>%{text}"}<extra></extra>`,
    };
    const layout = {
      xaxis: axis(x), yaxis: axis(y), showlegend: false, hovermode: "closest",
      margin: { t: 20, r: 20, b: 50, l: 60 }, paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff",
      font: { family: "system-ui, sans-serif", color: "#1c2430" },
    };
    place.setAttribute("aria-label", `Scatter plot of ${names[y]} against ${names[x]}`);
    Plotly.react(place, [trace], layout, { responsive: true, displaylogo: false });
  };

  document.querySelectorAll(".explore select").forEach((each) => each.addEventListener("change", draw));
  draw();
})();
