// Facts for the promotions' judge: those of an uneventful branch, and what a test changes.
import type {Control, Facts, GateBuild} from '../../master/core/promotion/facts.ts'

/** Facts in which nobody has said anything; the test says the rest. */
export const factsAbout = (over: Partial<Facts>): Facts => ({
  now: 1_000_000,
  fromTip: null,
  toTip: null,
  relation: null,
  candidates: [],
  newest: [],
  builds: [],
  open: [],
  isAwaited: false,
  isOnlyMerges: false,
  places: {},
  reverts: [],
  taken: [],
  controls: [],
  lost: null,
  conflict: null,
  gate: null,
  tested: [],
  ...over,
})

/** A green build that finished long ago. */
export const gateBuild = (over: Partial<GateBuild>): GateBuild => ({
  id: '1',
  builder: 'gate',
  number: 1,
  revision: 'r1',
  result: 'success',
  finishedAt: 0,
  beside: '',
  runs: 1,
  reds: 0,
  isStale: false,
  ...over,
})

/** Something that Ann, an operator, said. */
export const control = (over: Partial<Control> & Pick<Control, 'kind'>): Control => ({
  id: '1',
  revision: null,
  by: 'ann',
  role: 'operator',
  reason: 'she knows why',
  since: null,
  isExact: false,
  promotion: null,
  until: null,
  ...over,
})
