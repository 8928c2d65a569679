(function () {
  "use strict";
  var all = function (q, e) { return Array.prototype.slice.call((e || document).querySelectorAll(q)); };

  // A link into a cell opens it.
  function reveal() {
    var at = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (at && at.tagName === "DETAILS") { at.open = true; at.scrollIntoView(); }
  }
  addEventListener("hashchange", reveal);
  all('a[href^="#"]').forEach(function (a) { a.addEventListener("click", function () { setTimeout(reveal, 0); }); });
  reveal();

  // The filter dims what is not asked for in the matrix, and hides its cells below.
  all("[data-filter]").forEach(function (b) {
    b.addEventListener("click", function () {
      var want = b.dataset.filter;
      all("[data-filter]").forEach(function (o) { o.setAttribute("aria-pressed", String(o === b)); });
      all(".matrix tbody tr").forEach(function (tr) {
        tr.hidden = want !== "" && !tr.querySelector('td[data-s="' + want + '"]');
      });
      all(".matrix td[data-s]").forEach(function (td) { td.classList.toggle("dim", want !== "" && td.dataset.s !== want); });
      all(".scenario").forEach(function (s) {
        var some = false;
        all("details.cell", s).forEach(function (d) { d.hidden = want !== "" && d.dataset.s !== want; some = some || !d.hidden; });
        s.hidden = !some;
      });
    });
  });

  // Arrow keys in the matrix.
  var grid = document.querySelector(".matrix");
  if (grid) grid.addEventListener("keydown", function (e) {
    var step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[e.key];
    var td = e.target.closest("td,th");
    if (!step || !td) return;
    var rows = all("tbody tr", grid).filter(function (tr) { return !tr.hidden; });
    var y = rows.indexOf(td.parentNode), x = td.cellIndex;
    for (;;) {
      y += step[0]; x += step[1];
      var to = rows[y] && rows[y].cells[x];
      if (!to) return;
      var a = to.querySelector("a");
      if (a) { e.preventDefault(); a.focus(); return; }
    }
  });

  all("[data-copy]").forEach(function (b) {
    b.addEventListener("click", function () {
      var done = function () { b.textContent = "Copied"; setTimeout(function () { b.textContent = "Copy"; }, 1500); };
      if (navigator.clipboard) { navigator.clipboard.writeText(b.dataset.copy).then(done, function () {}); return; }
      getSelection().selectAllChildren(b.previousElementSibling);
    });
  });

  // Pointing at a timeline tells the time, and what each lane did in that moment.
  var box = document.getElementById("read");
  all("svg.tl").forEach(function (svg) {
    var from = +svg.dataset.from, to = +svg.dataset.to, bins = +svg.dataset.bins, secs = +svg.dataset.s, lanes = null;
    var cross = svg.querySelector(".cross");
    function move(e) {
      var r = svg.getBoundingClientRect(), x = (e.clientX - r.left) / r.width * 1000;
      if (x < from || x > to) { leave(); return; }
      lanes = lanes || all("[data-v]", svg).map(function (p) {
        return { n: p.dataset.n, v: p.dataset.v.split(","), o: p.dataset.o.split(",") };
      });
      var i = Math.min(bins - 1, Math.floor((x - from) / 4)), t = (x - from) / (to - from) * secs;
      var lines = [t.toFixed(secs < 20 ? 3 : 2) + " s"];
      var title = e.target.querySelector && e.target.querySelector(":scope > title");
      if (title) lines.push(title.textContent);
      lanes.forEach(function (l) {
        if (l.v[i]) lines.push(l.n + " " + l.v[i] + (l.o[i] ? ", to offset " + l.o[i] : ""));
      });
      cross.setAttribute("x1", x); cross.setAttribute("x2", x); svg.classList.add("on");
      box.textContent = lines.slice(0, 18).join("\n"); box.hidden = false;
      box.style.left = Math.min(e.clientX + 14, innerWidth - box.offsetWidth - 8) + "px";
      box.style.top = Math.max(8, Math.min(e.clientY + 16, innerHeight - box.offsetHeight - 8)) + "px";
    }
    function leave() { svg.classList.remove("on"); box.hidden = true; }
    svg.addEventListener("pointermove", move);
    svg.addEventListener("pointerleave", leave);
  });
})();
