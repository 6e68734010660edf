// From a document without problems to the configuration the master reads: names and defaults resolved, units in the
// options' names.
import type {Builder, Config, Step} from './config.ts'
import type {ParsedDocument} from './document.ts'
import {reporterKind} from './kinds/reporters/index.ts'
import {ruleKind} from './kinds/promotions/index.ts'
import {schedulerKind} from './kinds/schedulers/index.ts'
import {sourceKind} from './kinds/sources/index.ts'
import {watches} from './kinds/sources/git.ts'
import {sharedPushCredentials} from './pushing.ts'
import {isGlob} from './terms/globs.ts'
import type {Finding} from './wording.ts'

/** The configuration a parsed document stands for. */
export function resolve(document: ParsedDocument): Config {
  const sources = document.changeSources.map((options) => known(sourceKind(options.kind)).resolve(options))
  const builders = document.builders.map(builderOf)
  const surroundings = {timezone: document.timezone, sources, builders}
  return {
    title: document.title,
    url: document.url === null ? null : document.url.replace(/\/*$/, '/'),
    timezone: document.timezone,
    secrets: document.secrets,
    access: document.access,
    changeSources: sources,
    workers: document.workers.map(({missingTimeout, ...worker}) => ({
      ...worker,
      missingTimeoutMs: missingTimeout,
    })),
    builders,
    schedulers: document.schedulers.map((options) =>
      known(schedulerKind(options.kind)).resolve(options, surroundings),
    ),
    promotions: {
      ...document.promotions,
      rules: document.promotions.rules.map((options) =>
        known(ruleKind(options.kind)).resolve(options, document.timezone),
      ),
    },
    reporters: document.reporters.map((options) => known(reporterKind(options.kind)).resolve(options)),
    retention: {
      buildsMs: document.retention.builds,
      logsMs: document.retention.logs,
      artifactsMs: document.retention.artifacts,
      keepLatest: document.retention.keepLatest,
    },
  }
}

function known<T>(kind: T | undefined): T {
  if (kind === undefined) throw new Error('a kind that the schema accepts is in no index')
  return kind
}

function builderOf(options: ParsedDocument['builders'][number]): Builder {
  const {container, timeout, intGrace, termGrace, steps, ...rest} = options
  return {
    ...rest,
    container:
      container === null
        ? null
        : {
            image: container.image,
            memoryBytes: container.memory,
            cpus: container.cpus,
            pids: container.pids,
            network: container.network,
            user: container.user,
          },
    timeoutMs: timeout,
    intGraceMs: intGrace,
    termGraceMs: termGrace,
    steps: named(steps),
  }
}

/** Steps without a name are called by their kind; the second of a kind is `shell 2`. */
function named(steps: ParsedDocument['builders'][number]['steps']): readonly Step[] {
  const taken = new Set(steps.map(({name}) => name).filter((name) => name !== undefined))
  return steps.map((options) => {
    let name = options.name ?? options.kind
    for (let next = 2; options.name === undefined && taken.has(name); next++)
      name = `${options.kind} ${String(next)}`
    taken.add(name)
    return {kind: options.kind, name, options}
  })
}

/** What is wrong with a whole that is right in each of its parts. */
export function contradictions(config: Config): readonly Finding[] {
  const {schedulers, changeSources, promotions} = config
  const found: Finding[] = []
  for (const [at, scheduler] of schedulers.entries()) {
    const path = ['schedulers', at]
    if (scheduler.kind === 'nightly' && scheduler.onlyIfChanged && scheduler.source === null) {
      found.push({
        path: [...path, 'onlyIfChanged'],
        message: 'needs a source: name one, or let its first builder check one out',
      })
    }
    if (scheduler.kind !== 'singleBranch') continue
    const source = changeSources.find(({name}) => name === scheduler.source)
    if (source?.kind === 'webhook' && source.wakes !== null) {
      found.push({
        path: [...path, 'source'],
        message: `${source.name} only wakes ${source.wakes}, which has the changes; did you mean ${source.wakes}?`,
      })
    }
    if (source?.kind === 'git' && !isGlob(scheduler.branch) && !watches(source, scheduler.branch)) {
      found.push({
        path: [...path, 'branch'],
        message: `${source.name} watches ${source.branches.join(', ')}, not ${scheduler.branch}`,
      })
    }
  }
  return [
    ...found,
    ...idleSchedule(promotions),
    ...circles(promotions.rules),
    ...sharedPushCredentials(config),
  ]
}

/** Nobody should wait for a calendar that nobody looks at. */
const idleSchedule = ({run, schedule}: Config['promotions']): readonly Finding[] =>
  run === 'onDemand' && schedule !== null
    ? [{path: ['promotions', 'schedule'], message: 'has no effect with run: onDemand; remove one of the two'}]
    : []

/** Fast-forward rules that lead back to where they began: such branches are one branch. */
function circles(rules: Config['promotions']['rules']): readonly Finding[] {
  const forward = rules.filter((rule) => rule.kind === 'fastForward')
  return rules.flatMap((rule, at) => {
    if (rule.kind !== 'fastForward') return []
    const reached = new Set([rule.to])
    for (const branch of reached) {
      for (const {source, from, to} of forward) if (source === rule.source && from === branch) reached.add(to)
    }
    if (!reached.has(rule.from) || rule.from === rule.to) return []
    return [
      {
        path: ['promotions', 'rules', at, 'to'],
        message: `the rules lead in a circle from ${rule.from} to ${rule.to} and back`,
      },
    ]
  })
}
