// `ostler approve`, `ostler deny`, `ostler allow`: what people say of one revision to a promotion rule.
import {plain, say, sayJson} from '../print.ts'
import {clientOf, clientVerb, span, type ClientFlags, type Verb} from '../verb.ts'
import {saidShape} from './hold.ts'

interface Flags extends ClientFlags {
  readonly reason?: string
  readonly exact?: boolean
  readonly for?: number
}

export const approve: Verb = (program) =>
  clientVerb(program, 'approve <rule> <revision>', 'approve of one revision; no other gains by it')
    .option('--reason <text>', 'a word to it')
    .action((rule: string, revision: string, flags: Flags) =>
      tell(rule, 'approve', 'is approved', flags, {revision, reason: flags.reason ?? ''}),
    )

export const deny: Verb = (program) =>
  clientVerb(program, 'deny <rule> <revision>', 'never promote a revision, nor what holds it')
    .requiredOption('--reason <text>', 'why, for people')
    .option('--exact', 'only that commit: what comes after it may go')
    .option('--for <time>', 'for how long, such as 2d', span)
    .action((rule: string, revision: string, flags: Flags) =>
      tell(rule, 'deny', 'is denied', flags, {
        revision,
        reason: flags.reason ?? '',
        exact: flags.exact === true,
        ...(flags.for === undefined ? {} : {forSeconds: flags.for}),
      }),
    )

export const allow: Verb = (program) =>
  clientVerb(program, 'allow <rule> <revision>', 'promote a revision although it is denied or reverted')
    .requiredOption('--reason <text>', 'why, for people')
    .action((rule: string, revision: string, flags: Flags) =>
      tell(rule, 'allow', 'is allowed', flags, {revision, reason: flags.reason ?? ''}),
    )

async function tell(rule: string, verb: string, words: string, flags: Flags, body: object): Promise<void> {
  const client = await clientOf(flags)
  const made = await client.post(saidShape, `/promotions/${encodeURIComponent(rule)}/${verb}`, body)
  if (flags.json) return sayJson(made)
  for (const {revision, by} of made.items) say(`${rule}: ${revision ?? ''} ${words} by ${plain(by)}`)
}
