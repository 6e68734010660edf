// The queue: everything that waits, and why; and the changes that are not asked for yet.
import {useQuery} from '@tanstack/react-query'
import {Link} from 'wouter'
import type {Request} from '../../../http/shapes.ts'
import {shortRevision} from '../../core/say.ts'
import {act, read} from '../api.ts'
import {useRefreshed} from '../asking.ts'
import {Action} from '../frame/acting.tsx'
import {Answered, Page} from '../frame/page.tsx'
import {Ago, sayMomentsIn} from '../frame/times.tsx'

const key = ['requests']
const heldKey = ['schedulers']

export function RequestsPage() {
  const question = useQuery({queryKey: key, queryFn: read.requests, refetchInterval: 15_000})
  useRefreshed(
    key,
    ({type}) => type === 'request.added' || type.startsWith('build.') || type.startsWith('worker.'),
    1000,
  )
  return (
    <Page title="Queue">
      <Answered question={question}>
        {({items, next}) =>
          items.length === 0 ? (
            <p>Nothing waits.</p>
          ) : (
            <>
              <RequestRows requests={items} />
              {next !== null && <p>More wait than are listed.</p>}
            </>
          )
        }
      </Answered>
      <HeldChanges />
    </Page>
  )
}

/** Changes that schedulers hold; nothing where there are none. */
function HeldChanges() {
  const question = useQuery({queryKey: heldKey, queryFn: read.schedulers, refetchInterval: 15_000})
  useRefreshed(heldKey, ({type}) => ['change.held', 'request.added', 'build.finished'].includes(type), 1000)
  const held = question.data?.items.flatMap((scheduler) => scheduler.held) ?? []
  if (held.length === 0) return null
  return (
    <>
      <h2>Held changes</h2>
      <table className="table">
        <thead>
          <tr>
            <th>Change</th>
            <th>Waits because</th>
            <th>Since</th>
            <th className="wide">Scheduler</th>
          </tr>
        </thead>
        <tbody>
          {held.map((one) => (
            <tr key={`${one.scheduler} ${one.change}`}>
              <th scope="row">
                {one.subject === '' ? '(no message)' : one.subject}
                <small>
                  {one.branch} {shortRevision(one.revision)}
                </small>
              </th>
              <td>{one.text}</td>
              <td>
                <Ago at={one.since} />
              </td>
              <td className="wide">{one.scheduler}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  )
}

export const RequestRows = ({requests}: {requests: readonly Request[]}) => (
  <table className="table">
    <thead>
      <tr>
        <th>Builder</th>
        <th>Waits because</th>
        <th className="wide">What</th>
        <th>Since</th>
        <th className="wide">Priority</th>
        <th>
          <span className="unseen">Actions</span>
        </th>
      </tr>
    </thead>
    <tbody>
      {requests.map((request) => (
        <tr key={request.id}>
          <th scope="row">
            <Link href={`/builders/${encodeURIComponent(request.builder)}`}>{request.builder}</Link>
          </th>
          <td>
            {request.waiting.length === 0
              ? 'it is about to start'
              : request.waiting.map(({code, text}) => <div key={code + text}>{sayMomentsIn(text)}</div>)}
          </td>
          <td className="wide">
            {request.reason}
            <small>
              {request.sourceStamps.map((stamp) => (
                <span key={stamp.repository}>
                  {stamp.branch} {shortRevision(stamp.revision ?? '')}{' '}
                </span>
              ))}
            </small>
          </td>
          <td>
            <Ago at={request.submittedAt} />
          </td>
          <td className="wide figures">{request.priority}</td>
          <td>
            <Action
              needs="developer"
              kind="danger"
              asks={`Cancel the request of ${request.builder}?`}
              run={(reason) => act.cancelRequest(request.id, reason)}
            >
              Cancel
            </Action>
          </td>
        </tr>
      ))}
    </tbody>
  </table>
)
