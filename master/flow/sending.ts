// Sending one letter of the outbox, by the reporter's kind, and noting how that went: taken, to be tried again, or
// given up. A master that dies between sending and noting makes the letter come twice, with the same delivery id.
import {createHmac} from 'node:crypto'
import type {MailReporter, WebhookReporter} from '../../config/config.ts'
import type {Letter} from '../../config/kinds/letter.ts'
import {mailText, recipientsOf, subjectOf, tailOf} from '../../config/kinds/reporters/mail.ts'
import {letterBody} from '../../config/kinds/reporters/webhook.ts'
import {MailRefused, mailWithinMs, sendMail} from '../world/mail.ts'
import {markFailed, markLeft, markSent} from '../world/store/outbox.ts'
import type {DueReport, Hold} from '../world/store/outbox.ts'
import {readLog} from '../world/store/views/logs.ts'
import type {World} from '../world/world.ts'

const postWithinMs = 15_000
/** How long after each failed try the next follows, in milliseconds; after the last, the report is given up. */
const againMs = [5_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000, 3_600_000, 3_600_000]
const tailBytes = 64 * 1024

/** For how long reports are this master's while it sends them: longer than sending can take. */
export const holdFor = (world: World): Hold => ({
  usualMs: postWithinMs * 2,
  slow: world.settings().config.reporters.flatMap(({kind, name}) => (kind === 'mail' ? [name] : [])),
  slowMs: mailWithinMs + 60_000,
})

/** Sends a report that is due, and notes how that went. */
export async function send(world: World, report: DueReport): Promise<void> {
  const reporter = world.settings().config.reporters.find((candidate) => candidate.name === report.reporter)
  const letter = report.payload as unknown as Letter
  if (!reporter) {
    await markFailed(world.store, report.id, 'no reporter of this name is configured any more', null)
    return
  }
  try {
    if (reporter.kind === 'mail') return await sendByMail(world, reporter, report, letter)
    await post(world, reporter, letter)
    await markSent(world.store, report.id)
  } catch (error) {
    await notTaken(world, report, (error as Error).message, error instanceof MailRefused)
  }
}

async function notTaken(world: World, report: DueReport, because: string, isFinal: boolean): Promise<void> {
  const again = isFinal ? null : (againMs[report.tries - 1] ?? null)
  const text = because.slice(0, 500)
  world.say.warn(
    {reporter: report.reporter, tries: report.tries, givenUp: again === null},
    `report not taken: ${text}`,
  )
  await markFailed(world.store, report.id, text, again)
}

async function sendByMail(
  world: World,
  reporter: MailReporter,
  report: DueReport,
  letter: Letter,
): Promise<void> {
  const {smtp} = reporter
  const to = letter.mail?.to ?? recipientsOf(reporter, [])
  const left = letter.mail?.left ?? to
  if (left.length === 0) throw new MailRefused('nobody is named who would get it')
  const password = smtp.password === null ? null : await world.settings().secrets.read(smtp.password.secret)
  const taken = await sendMail(smtp, password, {
    from: reporter.from,
    to,
    left,
    subject: subjectOf(reporter, letter),
    text: mailText(letter, await endOfLog(world, letter)),
    // Event numbers are one database's own: the time tells two masters with one sender apart.
    delivery: `${letter.delivery}-${String(Date.parse(letter.at))}`,
    thread: letter.thread,
    at: new Date(letter.at),
    event: letter.event,
  })
  if (taken.left.length === 0) return await markSent(world.store, report.id, taken.because)
  if (letter.mail) await markLeft(world.store, report.id, taken.left)
  await notTaken(world, report, taken.because ?? 'not everybody’s was taken', false)
}

/** The end of the failed step's log; null where there is none, or it cannot be read: a mail without it is better than none. */
async function endOfLog(world: World, {failed}: Letter): Promise<string | null> {
  if (!failed || failed.log === null) return null
  try {
    const log = await readLog(world.store, failed.log)
    if (!log || log.deleted) return null
    const pieces: Buffer[] = []
    for await (const piece of world.logs.readFrom(log, Math.max(0, log.bytes - tailBytes))) pieces.push(piece)
    return tailOf(Buffer.concat(pieces).toString('utf8'))
  } catch (error) {
    world.say.warn({err: error, log: failed.log}, 'the end of a log could not be read for a mail')
    return null
  }
}

/** Posts a letter. Its address may be a secret, so no error ever shows it. */
async function post(world: World, reporter: WebhookReporter, letter: Letter): Promise<void> {
  const {secrets} = world.settings()
  const url = typeof reporter.url === 'string' ? reporter.url : await secrets.read(reporter.url.secret)
  const body = letterBody(reporter.dialect, letter)
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'ostler-delivery': letter.delivery,
  }
  if (reporter.secret) {
    const key = await secrets.read(reporter.secret.secret)
    headers['x-ostler-signature-256'] = `sha256=${createHmac('sha256', key).update(body).digest('hex')}`
  }
  const answer = await fetch(url, {
    method: 'POST',
    headers,
    body,
    redirect: 'error',
    signal: AbortSignal.timeout(postWithinMs),
  }).catch((error: unknown) => {
    throw new Error(`no answer: ${reasonOf(error)}`)
  })
  await answer.body?.cancel()
  if (!answer.ok) throw new Error(`answered ${String(answer.status)}`)
}

function reasonOf(error: unknown): string {
  const cause = (error as {cause?: {code?: string}; name?: string} | null)?.cause
  return cause?.code ?? (error as Error).name
}
