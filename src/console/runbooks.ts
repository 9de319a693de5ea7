import runbooks from './runbooks.json' with { type: 'json' };

const PAGES: Readonly<Record<string, string>> = runbooks;

/**
 * Returns the page of the runbook that an alert's `runbook_url` points to, or a page that lists all for an empty name. `null`
 * for an unknown one.
 */
export function runbook(name: string): string | null {
  if (name === '')
    return page('Runbooks', `<h1>Runbooks</h1>\n<ul>\n${Object.keys(PAGES).map(item).join('\n')}\n</ul>`);
  const text = Object.hasOwn(PAGES, name) ? PAGES[name] : undefined;
  return text === undefined ? null : page(name, text);
}

const item = (name: string): string => `<li><a href="./${name}">${name}</a></li>`;

/** Addresses are relative, as those of the live page are: it may be mounted anywhere. */
function page(title: string, main: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="../page.css">
</head>
<body class="runbook">
<nav><a href="../">Live page</a> <a href="./">All runbooks</a></nav>
<main>
${main}
</main>
</body>
</html>
`;
}
