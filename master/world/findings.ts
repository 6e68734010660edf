// Findings in sentences, for people: the row, what is wrong with it, and what to do.
import type {Finding} from '../core/findings.ts'
import {checks, type Check} from './store/checks.ts'

const byName = new Map(checks.map((check) => [check.name, check]))

/** `request 12 is claimed and has no build (claimed-without-build); …`. */
export function findingText({check: name, row}: Finding): string {
  const check = byName.get(name)
  return check ? `${check.noun} ${row} ${check.says} (${name}); ${check.remedy}` : `${name}: ${row}`
}

/** The same in few sentences for everybody, one for each check: rows by number only, never by a name that people gave. */
export function complaintsOf(findings: readonly Finding[]): string[] {
  return checks.flatMap((check) => {
    const rows = findings.filter((finding) => finding.check === check.name).map(({row}) => row)
    return rows.length === 0 ? [] : [complaint(check, rows)]
  })
}

const shownMax = 5

function complaint({name, noun, named, says, remedy}: Check, rows: readonly string[]): string {
  const shown = rows.slice(0, shownMax).join(', ') + (rows.length > shownMax ? ', …' : '')
  const who = named ? `${String(rows.length)} × a ${noun}` : `${noun} ${shown}`
  return `ledger: ${who} ${says} (${name}); ${remedy}`
}
