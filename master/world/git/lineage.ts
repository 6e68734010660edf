// Listing what lies between two branches: commits with their parents, and those that say they revert another.
import type {Listed, SaidRevert} from '../../core/promotion/graph.ts'

const sides = {'<': 'from', '>': 'to', '-': 'base'} as const

/** Arguments of `git log` that list what `from` and `to` do not both have, every commit before its parents. */
export const listingOf = (from: string, to: string): string[] => [
  'log',
  '--left-right',
  '--boundary',
  '--topo-order',
  '--no-show-signature',
  '--format=%m%H %ct %P',
  `${from}...${to}`,
  '--',
]

/** Reads that listing. */
export function parseListing(out: string): Listed[] {
  const listed: Listed[] = []
  for (const line of out.split('\n')) {
    const side = sides[line[0] as keyof typeof sides] as Listed['side'] | undefined
    if (side === undefined) continue
    const [revision = '', seconds = '', ...parents] = line.slice(1).split(' ')
    listed.push({
      revision,
      side,
      committedAt: Number(seconds) * 1000,
      parents: parents.filter((parent) => parent !== ''),
    })
  }
  return listed
}

/** Arguments of `git log` that list the commits of `from` which say they revert another. */
export const revertsBetween = (from: string, to: string): string[] => [
  'log',
  '--no-show-signature',
  '-E',
  '--grep=^This reverts commit [0-9a-f]{7,64}',
  '-z',
  '--format=%H%n%B',
  from,
  `^${to}`,
  '--',
]

/** Reads that listing; one commit may revert several. */
export function parseReverts(out: string): SaidRevert[] {
  return out.split('\0').flatMap((text) => {
    const revision = text.slice(0, text.indexOf('\n'))
    const said = text.matchAll(/^This reverts commit ([0-9a-f]{7,64})/gm)
    return [...said].map(([, reverted = '']) => ({revision, reverted}))
  })
}
