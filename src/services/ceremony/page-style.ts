/** For the screen and, above all, for paper: A4 across, headings of the table on every page, no entry cut in two. */
export const pageStyle = `
@page { size: A4 landscape; margin: 14mm 12mm 16mm; @bottom-left { font: 8pt sans-serif; } @bottom-right { content: counter(page) " / " counter(pages); font: 8pt sans-serif; } }
:root { color-scheme: light; }
body { font: 10pt/1.35 "Liberation Sans", Arial, Helvetica, sans-serif; color: #111; background: #fff; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; }
header { display: flex; justify-content: space-between; align-items: baseline; gap: 2rem; border-bottom: 2pt solid #111; margin-bottom: 1rem; }
h1 { font-size: 18pt; margin: 0 0 .3rem; }
h2 { font-size: 12pt; margin: 1.2rem 0 .4rem; }
p.state { margin: 0; padding: .15rem .6rem; border: 1pt solid #111; font-weight: bold; }
p.open { border-style: dashed; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem .5rem .25rem 0; overflow-wrap: anywhere; }
table.facts th { width: 11rem; font-weight: normal; color: #444; }
table.facts td { font-family: "Liberation Mono", "DejaVu Sans Mono", monospace; font-size: 9pt; }
table.entries { margin-top: 1rem; }
table.entries thead { display: table-header-group; }
table.entries th { border-bottom: 1pt solid #111; font-size: 9pt; }
table.entries td { border-bottom: .5pt solid #999; font-size: 9pt; }
table.entries th:nth-child(1) { width: 2rem; }
table.entries th:nth-child(2) { width: 5.5rem; }
table.entries th:nth-child(3) { width: 5.5rem; }
table.entries th:nth-child(4) { width: 32%; }
table.entries th:nth-child(5) { width: 16%; }
tr { break-inside: avoid; }
tr.failed td { background: #f2f2f2; }
tr.failed td:nth-child(5) { font-weight: bold; }
tr.failed small { font-weight: normal; }
code { font-family: "Liberation Mono", "DejaVu Sans Mono", monospace; font-size: 8.5pt; }
small { color: #444; font-size: 8pt; }
section { break-inside: avoid; }
.lines { display: flex; gap: 2rem; margin-top: 2.5rem; }
.lines p { flex: 1; margin: 0; font-size: 9pt; color: #444; }
.lines span { display: block; border-top: .5pt solid #111; margin-bottom: .2rem; }
@media print { body { margin: 0; max-width: none; padding: 0; } tr.failed td { print-color-adjust: exact; } }
`;
