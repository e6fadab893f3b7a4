// Draws each figure when it comes into view, in the page's colours, light or dark.
(function () {
  "use strict";
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const coarse = window.matchMedia("(pointer: coarse)");
  const config = {
    responsive: true,
    doubleClick: "reset",
    displayModeBar: false, // its buttons would cover the plots; dragging zooms without them
  };
  const hidden = new Map(); // section id -> groups that the reader switched off

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function themed(layout) {
    const theme = {
      "font.color": colour("--muted"),
      "font.family": colour("--sans"),
      "hoverlabel.bgcolor": colour("--raised"),
      "hoverlabel.bordercolor": colour("--line"),
      "hoverlabel.font.color": colour("--ink"),
    };
    for (const name of Object.keys(layout)) {
      if (/^[xy]axis$/.test(name)) {
        theme[name + ".gridcolor"] = colour("--grid");
        theme[name + ".linecolor"] = colour("--line");
        theme[name + ".tickcolor"] = colour("--line");
      }
    }
    return theme;
  }

  function visible(holder, traces) {
    const off = hidden.get(holder.dataset.section) || new Set();
    return traces.map((trace) => !off.has(trace.legendgroup));
  }

  function draw(holder) {
    if (holder.dataset.drawn) return;
    holder.dataset.drawn = "yes";
    const figure = JSON.parse(document.getElementById(holder.id + "-data").textContent);
    const shown = visible(holder, figure.data);
    figure.data.forEach((trace, i) => { trace.visible = shown[i]; });
    if (coarse.matches) figure.layout.dragmode = false; // a finger scrolls the page
    Plotly.newPlot(holder, figure.data, figure.layout, config)
      .then(() => Plotly.relayout(holder, themed(holder.layout)));
  }

  function toggle(button) {
    const off = hidden.get(button.dataset.section) || new Set();
    const show = off.has(button.dataset.group);
    if (show) off.delete(button.dataset.group); else off.add(button.dataset.group);
    hidden.set(button.dataset.section, off);
    button.setAttribute("aria-pressed", String(show));
    refresh(button.dataset.section);
  }

  function toggleAll(button) {
    const section = button.dataset.all;
    const buttons = document.querySelectorAll(`button[data-section="${section}"]`);
    const groups = [...buttons].map((one) => one.dataset.group);
    const none = (hidden.get(section) || new Set()).size < groups.length;
    hidden.set(section, new Set(none ? groups : []));
    buttons.forEach((one) => one.setAttribute("aria-pressed", String(!none)));
    button.textContent = none ? "show all" : "hide all";
    refresh(section);
  }

  function refresh(section) {
    for (const holder of document.querySelectorAll(`.plot[data-section="${section}"]`)) {
      if (holder.data) Plotly.restyle(holder, { visible: visible(holder, holder.data) });
    }
  }

  const holders = [...document.querySelectorAll(".plot")];
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        watcher.unobserve(entry.target);
        draw(entry.target);
      }
    }
  }, { rootMargin: "600px" });
  holders.forEach((holder) => watcher.observe(holder));
  document.querySelectorAll("button[data-group]").forEach((button) => {
    button.addEventListener("click", () => toggle(button));
  });
  document.querySelectorAll("button[data-all]").forEach((button) => {
    button.addEventListener("click", () => toggleAll(button));
  });
  dark.addEventListener("change", () => {
    holders.filter((holder) => holder.layout)
      .forEach((holder) => Plotly.relayout(holder, themed(holder.layout)));
  });
  window.addEventListener("beforeprint", () => holders.forEach(draw));
})();
