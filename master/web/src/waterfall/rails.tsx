// The columns left of the builders, on the same time axis: what changed, and what was promoted.
import {useMemo, useState} from 'react'
import {Link} from 'wouter'
import {authorName, shortRevision} from '../../core/say.ts'
import {Dialog} from '../frame/dialog.tsx'
import {sayFully} from '../frame/times.tsx'
import {bandHeight, headHeight, type Sight} from './sight.ts'
import type {Arrangement, BunchAt, ChangeRow, PromotionRow} from './arrange.ts'
import type {Board} from './data.ts'

const inSight = (sight: Sight, trackTop: number) => (bunch: BunchAt<unknown>) =>
  trackTop + bunch.top <= sight.bottom && trackTop + bunch.top + 160 >= sight.top

export function ChangesRail({
  board,
  arrangement,
  trackTop,
  sight,
  lit,
  marked,
  setMarked,
}: {
  board: Board
  arrangement: Arrangement
  trackTop: number
  sight: Sight
  lit: ReadonlySet<string>
  marked: string | null
  setMarked: (change: string | null) => void
}) {
  const [listed, setListed] = useState<BunchAt<ChangeRow> | null>(null)
  const reached = useMemo(() => branchesReached(board.promotions), [board.promotions])
  const held = new Map(board.held.map((one) => [one.change, one.text]))
  return (
    <section className="rail rail-changes" aria-label="Changes">
      <div className="rail-head" style={{height: bandHeight + headHeight[arrangement.detail]}}>
        <b>Changes</b>
        <small>{marked === null ? 'press one to see its builds' : 'only its builds are lit'}</small>
      </div>
      {arrangement.changes.filter(inSight(sight, trackTop)).map((bunch) => (
        <div key={bunch.at} className="bunch" style={{top: trackTop + bunch.top}}>
          {bunch.shown.map((change) => (
            <button
              key={change.id}
              type="button"
              className={lit.has(change.id) ? 'change lit' : 'change'}
              aria-pressed={marked === change.id}
              title={`${change.subject}\n${change.author}\n${change.source}, ${change.branch}\n${sayFully(change.at)}${held.has(change.id) ? `\n${held.get(change.id) ?? ''}` : ''}`}
              onClick={() => setMarked(marked === change.id ? null : change.id)}
            >
              <span>{change.subject === '' ? '(no message)' : change.subject}</span>
              <small>
                {held.has(change.id) ? (
                  <em className="held">{held.get(change.id)}</em>
                ) : (
                  <span>{authorName(change.author)}</span>
                )}
                <code>{shortRevision(change.revision).slice(0, 7)}</code>
                <i>{change.branch}</i>
                {reached.get(change.revision)?.map((branch) => (
                  <b key={branch} className="reached" title={`promoted to ${branch}`}>
                    ▲ {branch}
                  </b>
                ))}
              </small>
            </button>
          ))}
          {bunch.hidden.length > 0 && (
            <button type="button" className="more" onClick={() => setListed(bunch)}>
              {bunch.hidden.length} more changes
            </button>
          )}
        </div>
      ))}
      {listed && (
        <Dialog
          title={`${String(listed.shown.length + listed.hidden.length)} changes`}
          onClose={() => setListed(null)}
        >
          <ChangeList changes={[...listed.shown, ...listed.hidden]} />
        </Dialog>
      )}
    </section>
  )
}

/** The branches that a revision was promoted to. */
function branchesReached(promotions: Board['promotions']): ReadonlyMap<string, readonly string[]> {
  const reached = new Map<string, string[]>()
  for (const {revision, to} of promotions) {
    const branches = reached.get(revision) ?? []
    if (!branches.includes(to)) reached.set(revision, [...branches, to])
  }
  return reached
}

/** Changes one under the other, with links to where they can be read. */
export const ChangeList = ({
  changes,
}: {
  changes: readonly {
    id: string
    subject: string
    author: string
    revision: string
    branch: string
    link: string | null
  }[]
}) => (
  <ul className="change-list">
    {changes.map((change) => (
      <li key={change.id}>
        <span>{change.subject === '' ? '(no message)' : change.subject}</span>
        <small>
          {authorName(change.author)} · {change.branch} ·{' '}
          {isWebLink(change.link) ? (
            <a href={change.link} rel="noreferrer" aria-label={`revision ${shortRevision(change.revision)}`}>
              <code>{shortRevision(change.revision)}</code>
            </a>
          ) : (
            <code>{shortRevision(change.revision)}</code>
          )}
        </small>
      </li>
    ))}
  </ul>
)

/** A change's link comes from outside: only web addresses become links. */
const isWebLink = (link: string | null): link is string => link !== null && /^https?:\/\//i.test(link)

export function PromotionsRail({
  board,
  arrangement,
  trackTop,
  sight,
}: {
  board: Board
  arrangement: Arrangement
  trackTop: number
  sight: Sight
}) {
  if (board.rules.length === 0 && board.promotions.length === 0) return null
  return (
    <section className="rail rail-promotions" aria-label="Promotions">
      <div className="rail-head" style={{height: bandHeight + headHeight[arrangement.detail]}}>
        <b>Promotions</b>
        <small>
          <Link href="/promotions" title={board.rules.map(sayRule).join('\n')}>
            {sayRules(board)}
          </Link>
        </small>
      </div>
      {arrangement.promotions.filter(inSight(sight, trackTop)).map((bunch) => (
        <div key={bunch.at} className="bunch" style={{top: trackTop + bunch.top}}>
          {bunch.shown.map((promotion) => (
            <PromotionMark key={promotion.id} promotion={promotion} />
          ))}
          {bunch.hidden.length > 0 && (
            <Link className="more" href="/promotions">
              {bunch.hidden.length} more
            </Link>
          )}
        </div>
      ))}
    </section>
  )
}

const PromotionMark = ({promotion}: {promotion: PromotionRow & {at: number}}) => (
  <Link
    className="promotion"
    href="/promotions"
    title={`${promotion.rule}: ${promotion.from} to ${promotion.to}\n${promotion.revision}\n${sayFully(promotion.at)}`}
  >
    <span>
      {promotion.from} → <b>{promotion.to}</b>
    </span>
    <small>
      <code>{shortRevision(promotion.revision).slice(0, 7)}</code> {promotion.rule}
    </small>
  </Link>
)

const sayRule = (rule: Board['rules'][number]) =>
  `${rule.from} → ${rule.to}: ${rule.verdict ?? 'not decided yet'}${rule.reasons.length > 0 ? `, ${rule.reasons.join('; ')}` : ''}`

/** The head has room for one thing: what keeps a branch from being newer, if anything does. */
function sayRules({rules}: Board): string {
  const held = rules.filter(({verdict}) => verdict === 'wait' || verdict === 'refuse')
  if (held.length === 0) return rules.length === 0 ? 'no rules' : 'all up to date'
  const [first] = held
  return first && held.length === 1
    ? `${first.to}: ${first.reasons[0] ?? first.verdict ?? ''}`
    : `${String(held.length)} branches wait`
}
