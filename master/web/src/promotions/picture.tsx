// The picture of a promotion: the commits that the target lacks, newest first, each with a mark per required builder; the
// one that moves next; and below them the target.
import {useQuery} from '@tanstack/react-query'
import {Link} from 'wouter'
import type {Promotion, PromotionPicture} from '../../../http/shapes.ts'
import {sayTone, type Tone} from '../../core/marks.ts'
import {authorName, sayCount, shortRevision} from '../../core/say.ts'
import {read} from '../api.ts'
import {useRefreshed} from '../asking.ts'
import {Mark} from '../frame/marks.tsx'
import {Ago, sayMomentsIn} from '../frame/times.tsx'
import {CommitButtons} from './controls.tsx'

type Commit = PromotionPicture['commits'][number]

/** Asked for only while there is something between the branches. */
export function CommitsBetween({rule}: {rule: Promotion}) {
  const key = ['promotion picture', rule.name]
  const question = useQuery({queryKey: key, queryFn: () => read.promotionPicture(rule.name)})
  useRefreshed(key, ({type}) => type.startsWith('promotion.') || type.startsWith('build.'), 1000)
  const picture = question.data
  if (!picture || picture.commits.length === 0 || rule.verdict === 'current') return null
  const older = (rule.lag.commits ?? 0) - picture.commits.length
  return (
    <div className="between">
      {picture.builders.length > 0 && (
        <p className="between-builders">must be green on {picture.builders.join(', ')}</p>
      )}
      <ol aria-label={`Commits of ${rule.from} that ${rule.to} lacks, newest first`}>
        {picture.commits.map((commit) => (
          <CommitRow key={commit.revision} commit={commit} rule={rule} />
        ))}
        {picture.gate && (
          <li className="between-gate">
            <span className="between-dot" aria-hidden="true" />
            <Marks marks={picture.gate.marks} />
            <p>
              the merge <code title={picture.gate.commit}>{shortRevision(picture.gate.commit)}</code> of{' '}
              <code title={picture.gate.candidate}>{shortRevision(picture.gate.candidate)}</code> into{' '}
              {rule.to} is tested
            </p>
          </li>
        )}
        {older > 0 && (
          <li className="between-older">
            <span className="between-dot" aria-hidden="true" />
            <p>{sayCount(older, 'more commit')}</p>
          </li>
        )}
      </ol>
      <p className="between-target">
        <span className="between-dot" aria-hidden="true" />
        <b>{rule.to}</b> is here
      </p>
    </div>
  )
}

function CommitRow({commit, rule}: {commit: Commit; rule: Promotion}) {
  const {revision, subject, author, at, because, chosen, marks} = commit
  return (
    <li className={chosen ? 'between-chosen' : ''}>
      <span className="between-dot" aria-hidden="true" />
      <Marks marks={marks} />
      <p>
        <code title={revision}>{shortRevision(revision)}</code> {subject ?? ''}
        {author !== null && <small> {authorName(author)}</small>}
        {at !== null && (
          <small>
            {' '}
            <Ago at={at} />
          </small>
        )}
      </p>
      {chosen && (
        <p className="between-word">
          {rule.verdict === 'promote' ? `moves to ${rule.to} next` : `would move to ${rule.to} next`}
        </p>
      )}
      {because !== null && <p className="between-why">{sayMomentsIn(because)}</p>}
      <CommitButtons rule={rule} revision={revision} isChosen={chosen} />
    </li>
  )
}

const toneOf = (state: Commit['marks'][number]['state']): Tone =>
  state === 'waiting' || state === 'none' ? 'pending' : state

const Marks = ({marks}: {marks: Commit['marks']}) => (
  <span className="between-marks">
    {marks.map(({builder, state, build, number}) => {
      const word = state === 'none' ? 'not built' : sayTone(toneOf(state))
      const says = `${builder}${number === null ? '' : ` #${String(number)}`}: ${word}`
      const mark = <Mark tone={toneOf(state)} quiet />
      return build === null ? (
        <span key={builder} title={says}>
          {mark}
          <span className="unseen">{says}</span>
        </span>
      ) : (
        <Link key={builder} href={`/builds/${build}`} title={says} aria-label={says}>
          {mark}
        </Link>
      )
    })}
  </span>
)
