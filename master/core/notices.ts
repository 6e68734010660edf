// The words of every notice: what a build or a promotion has come to, for a mail's text, a chat's message and the title
// of both. Pure: the same facts always give the same letter. Words from outside (branches, authors, messages) are cut and
// put in one line here, once for all who send them.
import {oneLine, type Letter, type Tone} from '../../config/kinds/letter.ts'
import type {Property, ReportEvent} from '../../config/config.ts'

/** A build as its notices tell it. */
export interface BuildNews {
  readonly id: string
  readonly builder: string
  readonly number: number
  readonly result: string | null
  readonly summary: string
  readonly branch: string | null
  readonly revision: string | null
  readonly worker: string | null
  readonly reason: string
  /** The result of the last build of this builder and branch before it that was good or bad. */
  readonly before: string | null
  /** What it was made for, newest first; and how many more there are than these. */
  readonly changes: readonly ChangeNews[]
  readonly changesMore: number
  /** The first step that made it bad. */
  readonly failed: {readonly step: string; readonly summary: string; readonly log: string | null} | null
}

export interface ChangeNews {
  readonly revision: string
  readonly author: string
  readonly subject: string
}

/** A promotion rule's news: the row of the decision, and what the event itself says. */
export interface PromotionNews {
  readonly rule: string
  /** The decision's id. */
  readonly promotion: string | null
  readonly kind: string | null
  readonly from: string | null
  readonly to: string | null
  readonly fromTip: string | null
  readonly toTip: string | null
  /** The tested commit, and where the branch is now. */
  readonly revision: string | null
  readonly landed: string | null
  readonly reasons: readonly string[]
  readonly files: readonly string[]
  readonly authors: readonly string[]
  readonly error: string | null
  readonly by: string | null
  readonly reason: string | null
  /** For a reminder: since when, as ISO 8601. */
  readonly since: string | null
}

/** Where a letter comes from. */
export interface Postmark {
  readonly delivery: string
  readonly event: ReportEvent
  readonly at: string
  /** Where people reach the master, with a final slash; null when nobody said. */
  readonly url: string | null
}

const filesShown = 20
const changesShown = 10
const short = (revision: string | null): string => (revision ?? '').slice(0, 12)
const plural = (count: number, noun: string): string => `${String(count)} ${noun}${count === 1 ? '' : 's'}`
const field = (name: string, value: string | null) =>
  value === null || value === '' ? [] : [{name, value: oneLine(value)}]
const block = (lines: readonly string[]): string[] => (lines.length === 0 ? [] : [lines.join('\n')])

/** The letter about a build. */
export function buildLetter(mark: Postmark, build: BuildNews): Letter {
  const {builder, number, branch, revision, worker, reason, failed} = build
  const named = `${builder} #${String(number)}${branch === null ? '' : ` on ${oneLine(branch)}`}`
  const isOver = mark.event !== 'started'
  return {
    ...stamped(mark),
    title: oneLine(buildTitle(mark.event, build)),
    link: mark.url === null ? null : `${mark.url}builds/${build.id}`,
    about: build as unknown as Property,
    tone: toneOf(isOver ? build.result : null),
    text: [
      `${named} ${isOver ? endOf(build) : 'has started'}.`,
      ...block([
        ...said('Why it ran', reason),
        ...said('Revision', revision),
        ...said('Worker', worker),
        ...(isOver ? said(failed === null ? 'Because' : 'Failed at', failedAt(build)) : []),
      ]),
      ...block(changesBlock(build)),
    ],
    fields: [
      ...field('Branch', branch),
      ...field('Revision', short(revision)),
      ...(isOver ? field(failed === null ? 'Because' : 'Failed at', failedAt(build)) : []),
      ...field(
        'Changes by',
        authorsOf(build)
          .map((author) => author.replace(/ *<[^>]*>/, ''))
          .join(', '),
      ),
    ],
    thread: `build ${builder} ${branch ?? ''}`,
    failed: isOver && failed !== null ? {step: failed.step, log: failed.log} : null,
  }
}

/** Who wrote a build's changes, each once, in the order of the changes. */
export const authorsOf = ({changes}: Pick<BuildNews, 'changes'>): string[] => [
  ...new Set(changes.map(({author}) => author)),
]

const said = (name: string, value: string | null): string[] =>
  value === null || value === '' ? [] : [`${`${name}:`.padEnd(14)}${oneLine(value)}`]

const buildTitle = (event: ReportEvent, {builder, number, branch, result}: BuildNews): string =>
  `${builder} #${String(number)} ${event === 'started' ? 'started' : (result ?? 'ended')}` +
  (branch === null ? '' : ` on ${branch}`) +
  (event === 'fixed' || event === 'problem' ? ` (${event})` : '')

const failedAt = ({failed, result, summary}: BuildNews): string | null => {
  if (failed !== null) return `${failed.step}${failed.summary === '' ? '' : ` (${failed.summary})`}`
  return result === 'success' ? null : summary
}

const verbs: Readonly<Record<string, string>> = {
  success: 'succeeded',
  warnings: 'succeeded with warnings',
  failure: 'failed',
  exception: 'could not be judged',
  cancelled: 'was cancelled',
  skipped: 'was skipped',
}
const bad = new Set(['failure', 'exception'])
const good = new Set(['success', 'warnings'])

function endOf({result, before}: BuildNews): string {
  const verb = verbs[result ?? ''] ?? `ended as ${result ?? 'nothing'}`
  if (before === null) return verb
  if (bad.has(before) && good.has(result ?? '')) return `${verb}; the one before had not`
  if (good.has(before) && bad.has(result ?? '')) return `${verb}; the one before had been good`
  return bad.has(before) && bad.has(result ?? '') ? `${verb}, as the one before` : verb
}

const toneOf = (result: string | null): Tone =>
  good.has(result ?? '') ? 'good' : bad.has(result ?? '') ? 'bad' : 'plain'

/** The letter about a promotion rule. */
export function promotionLetter(mark: Postmark, news: PromotionNews): Letter {
  const {rule, from, to, fromTip, toTip, revision, landed, files, authors} = news
  const {title, text, tone} = promotionWords(mark.event, news)
  const conflict = mark.event === 'conflict'
  return {
    ...stamped(mark),
    title: oneLine(title),
    link: mark.url === null ? null : `${mark.url}promotions`,
    about: news as unknown as Property,
    tone,
    text: [
      ...text,
      ...(conflict ? block(filesBlock(files)) : []),
      ...block([
        ...said('Rule', rule),
        ...said('From', from === null ? null : `${from} ${short(revision ?? fromTip)}`),
        ...said(
          'To',
          to === null
            ? null
            : `${to} ${short(mark.event === 'promoted' || mark.event === 'carried' ? landed : toTip)}`,
        ),
        ...(conflict ? said('Authors', authors.join(', ')) : []),
      ]),
    ],
    fields: [
      ...field('Rule', rule),
      ...field('From', from === null ? null : `${from} ${short(revision ?? fromTip)}`),
      ...field('To', to),
      ...(conflict ? field('Files', files.slice(0, filesShown).join(', ')) : []),
      ...(conflict
        ? field('Authors', authors.map((author) => author.replace(/ *<[^>]*>/, '')).join(', '))
        : []),
    ],
    thread: `promotion ${rule}`,
    failed: null,
  }
}

function changesBlock({changes, changesMore}: BuildNews): string[] {
  if (changes.length === 0) return []
  const more = changes.length - changesShown + changesMore
  return [
    'Changes:',
    ...changes
      .slice(0, changesShown)
      .map(
        ({revision, author, subject}) =>
          `  ${short(revision)} ${oneLine(author, 80)}: ${oneLine(subject, 120)}`,
      ),
    ...(more > 0 ? [`  and ${String(more)} more`] : []),
  ]
}

const filesBlock = (files: readonly string[]): string[] =>
  files.length === 0
    ? []
    : [
        'In conflict:',
        ...files.slice(0, filesShown).map((file) => `  ${oneLine(file)}`),
        ...(files.length > filesShown ? [`  and ${String(files.length - filesShown)} more`] : []),
      ]

interface Words {
  readonly title: string
  readonly text: readonly string[]
  readonly tone: Tone
}

function promotionWords(event: ReportEvent, news: PromotionNews): Words {
  const {rule, reason, by, error, since} = news
  const [from, to] = [oneLine(news.from ?? 'its source'), oneLine(news.to ?? `the target of ${rule}`)]
  const because = (given: string | null) => (given === null || given === '' ? '' : `: ${oneLine(given)}`)
  const carried = news.revision ?? news.fromTip
  const byWhom = by === null ? '' : ` by ${oneLine(by)}`
  switch (event) {
    case 'promoted': {
      const at = short(news.landed ?? news.revision)
      return {
        title: `${to} is now at ${at}`,
        text: [`${to} moved to ${at}, which was tested on ${from}.`],
        tone: 'good',
      }
    }
    case 'carried':
      return {
        title: `${to} now has ${from} up to ${short(news.revision)}`,
        text: [`${from} was merged into ${to}, up to ${short(news.revision)}.`],
        tone: 'good',
      }
    case 'conflict':
      return {
        title: `${since === null ? '' : 'still: '}${from} does not merge into ${to}`,
        text: [
          `Merging ${from} ${short(carried)} into ${to} ${short(news.toTip)} meets a conflict in ${plural(news.files.length, 'file')}; ${to} was left as it is.`,
          ...(since === null ? [] : [`It has stood since ${since.slice(0, 16).replace('T', ' ')} UTC.`]),
          `Somebody has to merge ${short(carried)} into ${to} by hand and push that. Until then nothing of ${from} is carried there.`,
        ],
        tone: 'bad',
      }
    case 'resolved':
      return {
        title: `${from} is in ${to} again`,
        text: [`The conflict of ${from} with ${to} is resolved; carrying goes on by itself.`],
        tone: 'good',
      }
    case 'diverged':
      return {
        title: `${to} has commits that ${from} does not have`,
        text: [
          `${to} has diverged from ${from}, so the rule ${rule} promotes nothing until somebody has put that right; nothing is ever pushed by force.`,
          ...news.reasons.map((one) => oneLine(one)),
        ],
        tone: 'bad',
      }
    case 'refused':
      return {
        title: `promoting ${from} to ${to} was refused`,
        text: [`${to} was not moved: the promotion of ${from} was refused${because(error)}.`],
        tone: 'bad',
      }
    case 'held':
      return {
        title: `${to} is held${byWhom}${because(reason)}`,
        text: [`The rule ${rule} promotes nothing while it is held${byWhom}${because(reason)}.`],
        tone: 'plain',
      }
    default:
      return {
        title: `${to} is released${byWhom}${because(reason)}`,
        text: [`The rule ${rule} promotes again: it was released${byWhom}${because(reason)}.`],
        tone: 'plain',
      }
  }
}

const stamped = ({delivery, event, at}: Postmark) => ({delivery, event, at})
