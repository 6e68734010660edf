// What the schema cannot say: names that must exist, names that must differ, properties that nobody sets. These looks
// go over what the user wrote, item by item, so that a slip in one place does not hide one in another.
import type {Kind, Names, Noun} from './kinds/kind.ts'
import {reporterKind} from './kinds/reporters/index.ts'
import {ruleKind} from './kinds/promotions/index.ts'
import {schedulerKind} from './kinds/schedulers/index.ts'
import {sourceKind} from './kinds/sources/index.ts'
import {stepKind} from './kinds/steps/index.ts'
import {parts} from './document.ts'
import {readable, valueAt} from './schema.ts'
import {builtinProperties, checkoutProperties, holesIn} from './terms/interpolation.ts'
import {didYouMean} from './terms/near.ts'
import type {Finding} from './wording.ts'

type Path = readonly PropertyKey[]
/** Where something is, as a problem says it. */
export type Place = (path: Path) => string

interface Item {
  readonly path: Path
  readonly value: unknown
}

const itemsAt = (data: unknown, path: Path): readonly Item[] => {
  const list = valueAt(data, path)
  return Array.isArray(list) ? list.map((value: unknown, at) => ({path: [...path, at], value})) : []
}

const textAt = (value: unknown, path: Path): string | null => {
  const found = valueAt(value, path)
  return typeof found === 'string' ? found : null
}

const namesOf = (items: readonly Item[]): string[] =>
  items.map(({value}) => textAt(value, ['name'])).filter((name) => name !== null)

const keysOf = (value: unknown): string[] =>
  typeof value === 'object' && value !== null ? Object.keys(value) : []

const nounText: Readonly<Record<Noun, string>> = {
  builder: 'builder',
  source: 'change source',
  gitSource: 'git source',
  worker: 'worker',
  rule: 'promotion rule',
}

/** Everything wrong with a document beside its shape. */
export function checkDocument(data: unknown, place: Place): readonly Finding[] {
  const sources = itemsAt(data, ['changeSources'])
  const builders = itemsAt(data, ['builders'])
  const workers = itemsAt(data, ['workers'])
  const schedulers = itemsAt(data, ['schedulers'])
  const rules = itemsAt(data, ['promotions', 'rules'])
  const reporters = itemsAt(data, ['reporters'])
  const names: Names = {
    builder: namesOf(builders),
    source: namesOf(sources),
    gitSource: namesOf(sources.filter(({value}) => textAt(value, ['kind']) === 'git')),
    worker: namesOf(workers),
    rule: namesOf(rules),
  }
  const lists = [sources, workers, builders, schedulers, rules, reporters]
  const steps = builders.map(({value, path}) =>
    itemsAt(value, ['steps']).map((step) => ({...step, path: [...path, ...step.path]})),
  )
  return [
    ...[...lists, ...steps].flatMap((items) => duplicates(items, place)),
    ...schedulers.flatMap(({path}) => duplicates(itemsAt(data, [...path, 'parameters']), place)),
    ...sources.flatMap((item) => checkKind(item, sourceKind(textAt(item.value, ['kind'])), names)),
    ...schedulers.flatMap((item) => checkKind(item, schedulerKind(textAt(item.value, ['kind'])), names)),
    ...rules.flatMap((item) => checkKind(item, ruleKind(textAt(item.value, ['kind'])), names)),
    ...reporters.flatMap((item) => checkKind(item, reporterKind(textAt(item.value, ['kind'])), names)),
    ...steps.flat().flatMap((item) => checkKind(item, stepKind(textAt(item.value, ['kind'])), names)),
    ...builders.flatMap((item) => unknownNames(item, {workers: 'worker'}, names)),
    ...builders.flatMap((item, at) => checkProperties(item, steps[at] ?? [], schedulers)),
  ]
}

function duplicates(items: readonly Item[], place: Place): readonly Finding[] {
  const first = new Map<string, Path>()
  return items.flatMap(({path, value}) => {
    const name = textAt(value, ['name'])
    if (name === null) return []
    const at = [...path, 'name']
    const before = first.get(name)
    if (!before) {
      first.set(name, at)
      return []
    }
    return [{path: at, message: `the name ${name} is taken; the first is at ${place(before)}`}]
  })
}

function checkKind(item: Item, kind: Kind | undefined, names: Names): readonly Finding[] {
  if (!kind) return []
  const faults = kind.check?.(readable(kind.shape, item.value), names) ?? []
  return [
    ...unknownNames(item, kind.references ?? {}, names),
    ...faults.map(({path, message}) => ({path: [...item.path, ...path], message})),
  ]
}

/** The options that name things which do not exist. */
function unknownNames(
  {path, value}: Item,
  references: Readonly<Record<string, Noun>>,
  names: Names,
): readonly Finding[] {
  return Object.entries(references).flatMap(([option, noun]) => {
    const at = option.split('.')
    const given = valueAt(value, at)
    const named: readonly unknown[] = Array.isArray(given) ? given : [given]
    return named.flatMap((name, index) => {
      if (typeof name !== 'string' || names[noun].includes(name)) return []
      const where = [...path, ...at, ...(Array.isArray(given) ? [index] : [])]
      if (noun === 'gitSource' && names.source.includes(name))
        return [{path: where, message: `expected a git source; ${name} is another kind`}]
      return [{path: where, message: `no ${nounText[noun]} named ${name}${didYouMean(name, names[noun])}`}]
    })
  })
}

/** Holes for properties that nobody sets before the text is needed: the step could only end as an exception. */
function checkProperties(
  builder: Item,
  steps: readonly Item[],
  schedulers: readonly Item[],
): readonly Finding[] {
  const fromOutside = new Set([
    ...Object.keys(builtinProperties),
    ...keysOf(valueAt(builder.value, ['properties'])),
    ...schedulers.flatMap(({value}) => propertiesOfScheduler(value)),
  ])
  const bySteps = steps.flatMap(({value}) => propertiesOfStep(value))
  const all = [...new Set([...fromOutside, ...Object.keys(checkoutProperties), ...bySteps])]
  const known = new Set(fromOutside)
  const found = unset(
    builder.path,
    {env: readable(parts.builder, {env: valueAt(builder.value, ['env'])})['env']},
    known,
    all,
  )
  for (const {path, value} of steps) {
    const kind = stepKind(textAt(value, ['kind']))
    if (kind) found.push(...unset(path, readable(kind.shape, value), known, all))
    for (const name of propertiesOfStep(value)) known.add(name)
  }
  return found
}

function unset(path: Path, options: unknown, known: ReadonlySet<string>, all: readonly string[]): Finding[] {
  return holesIn(options).flatMap(({hole, path: below}) => {
    if (!('prop' in hole) || hole.otherwise !== undefined || known.has(hole.prop)) return []
    const message = all.includes(hole.prop)
      ? `the property ${hole.prop} is not set yet here`
      : `nothing sets the property ${hole.prop}${didYouMean(hole.prop, all)}`
    return [{path: [...path, ...below], message: `${message}; \${props.${hole.prop}:-TEXT} gives a default`}]
  })
}

function propertiesOfStep(value: unknown): readonly string[] {
  const kind = stepKind(textAt(value, ['kind']))
  return kind?.sets?.(readable(kind.shape, value)) ?? []
}

function propertiesOfScheduler(value: unknown): readonly string[] {
  const kind = schedulerKind(textAt(value, ['kind']))
  const own = kind?.sets?.(readable(kind.shape, value)) ?? []
  return [...own, ...keysOf(valueAt(value, ['properties']))]
}
