import type { Difference } from '../organization/difference.ts';
import { CAUSE_GROUPS } from '../organization/causes.ts';
import { UNITS_PER_NANO_USD, nanoUsdOf, roundedParts, type ExactUsd } from '../organization/exact-usd.ts';
import { auditedKey } from '../organization/key-audit.ts';
import { WINDOWS, type OrganizationReport } from '../organization/organization.ts';
import { findings } from '../organization/sentences.ts';
import { VIEWS, keyName, viewRows } from '../organization/views.ts';

/** For programs: amounts in whole nano-dollars as text, for they may be larger than a double is exact. */
export function reportJson(report: OrganizationReport): string {
  const { windows, since, readAtMs, refreshedAtMs, source, keys, lastUsed, credit, groups } = report;
  const document = {
    ...{ readAtMs, refreshedAtMs, source, ownSince: report.ownSince },
    ...Object.fromEntries(WINDOWS.map((window) => [window, differenceJson(windows[window], report)])),
    since: since === null ? null : differenceJson(since, report),
    credit:
      credit === null
        ? null
        : {
            leftNanoUsd: nano(credit.left),
            leastNanoUsd: nano(credit.least),
            mostNanoUsd: nano(credit.most),
            daysLeft: credit.daysLeft,
          },
    keys: keys.map(({ hint: _hint, ...key }) => {
      const used = lastUsed.get(key.id) ?? null;
      const facts = { nowMs: readAtMs, lastUsed: used, isWatched: groups.ofId(key.id) !== null };
      return { ...key, lastUsed: used, findings: auditedKey({ ...key, hint: null }, facts) };
    }),
    ...{ limits: report.limits, tierCapUsd: report.tierCapUsd ?? null },
    ...{ doubts: groups.doubts, unread: report.unread },
  };
  return JSON.stringify(document, null, 2);
}

function differenceJson(of: Difference, report: OrganizationReport): object {
  const views = VIEWS.map((view) => {
    const rows = viewRows(of, view, report).map(({ name, ...amounts }) => ({ name, ...amountsJson(amounts) }));
    return [view, rows] as const;
  });
  return {
    ...{ fromDay: of.fromDay, toDay: of.toDay, closedDays: of.closedDays, coverage: of.coverage },
    ...amountsJson(of),
    open: { recordedNanoUsd: nano(of.open.recorded), billedNanoUsd: nano(of.open.billed) },
    difference: partsJson(of, report),
    by: Object.fromEntries(views),
    ...{ countsBy: of.basis.basis, controlFailures: of.controlFailures },
  };
}

/** Rounded so that the recorded amount and all of them add up to the billed one. */
function partsJson(of: Difference, report: OrganizationReport): readonly object[] {
  const all = findings(of, (key) => keyName(key, report)).filter(({ cause }) => cause !== 'open');
  const rounded = roundedParts(
    UNITS_PER_NANO_USD,
    of.recorded,
    all.map(({ units }) => units),
  );
  return all.map(({ cause, sentence, advice }, index) => ({
    ...{ cause, group: CAUSE_GROUPS[cause], nanoUsd: String(rounded[index] ?? 0n), sentence, advice },
  }));
}

function amountsJson({
  recorded,
  listed,
  billed,
}: Readonly<Record<'recorded' | 'listed' | 'billed', ExactUsd>>): object {
  return { recordedNanoUsd: nano(recorded), listedNanoUsd: nano(listed), billedNanoUsd: nano(billed) };
}

function nano(units: ExactUsd): string {
  return String(nanoUsdOf(units));
}
