// One builder: its recent builds, what waits for it, and the forms that force it.
import {useInfiniteQuery, useQuery} from '@tanstack/react-query'
import {Link} from 'wouter'
import type {Build} from '../../../http/shapes.ts'
import {toneOf} from '../../core/marks.ts'
import {shortRevision} from '../../core/say.ts'
import {read} from '../api.ts'
import {useRefreshed} from '../asking.ts'
import {base} from '../base.ts'
import {NeedsRole} from '../frame/acting.tsx'
import {Verdict} from '../frame/marks.tsx'
import {Answered, Page} from '../frame/page.tsx'
import {Ago, Took} from '../frame/times.tsx'
import {RequestRows} from '../requests/page.tsx'
import {useMay} from '../session.ts'

export function BuilderPage({name}: {name: string}) {
  const builders = useQuery({queryKey: ['builders'], queryFn: read.builders})
  const builder = builders.data?.items.find((one) => one.name === name)
  const key = ['builds', name]
  const builds = useInfiniteQuery({
    queryKey: key,
    queryFn: ({pageParam}) => read.builds({builder: name, cursor: pageParam, limit: 50}),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next,
  })
  useRefreshed(
    key,
    ({type, data}) =>
      type.startsWith('build.') && (data['builder'] === undefined || data['builder'] === name),
    1000,
  )
  useRefreshed(['builders'], ({data}) => data['builder'] === name, 1000)
  return (
    <Page title={name} aside={<ForceButtons builder={name} />}>
      {builder && (
        <p className="lead">
          {builder.description}{' '}
          {builder.tags.map((tag) => (
            <span key={tag} className="tag">
              {tag}
            </span>
          ))}
          <span>{builder.state}</span>
          {builder.needs.length > 0 && <span>needs {builder.needs.join(', ')}</span>}
          <a href={`${base}/badge/${encodeURIComponent(name)}.svg`}>badge</a>
        </p>
      )}
      {builders.data && !builder && (
        <p className="trouble">There is no builder of this name in the configuration now.</p>
      )}
      <NeedsRole role="developer" to="force builds" />
      <Waiting builder={name} />
      <h2>Builds</h2>
      <Answered question={builds}>
        {({pages}) => <BuildTable builds={pages.flatMap(({items}) => items)} />}
      </Answered>
      {builds.hasNextPage && (
        <p>
          <button
            type="button"
            disabled={builds.isFetchingNextPage}
            onClick={() => void builds.fetchNextPage()}
          >
            Older builds
          </button>
        </p>
      )}
    </Page>
  )
}

function ForceButtons({builder}: {builder: string}) {
  const {data} = useQuery({queryKey: ['schedulers'], queryFn: read.schedulers, staleTime: 60_000})
  const may = useMay('developer')
  const forms = data?.items.filter(({kind, builders}) => kind === 'force' && builders.includes(builder)) ?? []
  if (!may) return null
  return (
    <span className="buttons">
      {forms.map((form) => (
        <Link
          key={form.name}
          className="button main"
          href={`/force/${encodeURIComponent(form.name)}?builder=${encodeURIComponent(builder)}`}
        >
          {form.label ?? form.name}
        </Link>
      ))}
    </span>
  )
}

function Waiting({builder}: {builder: string}) {
  const key = ['requests']
  const {data} = useQuery({queryKey: key, queryFn: read.requests})
  useRefreshed(key, ({type}) => type === 'request.added' || type.startsWith('build.'), 1000)
  const own = data?.items.filter((request) => request.builder === builder) ?? []
  if (own.length === 0) return null
  return (
    <>
      <h2>Waiting</h2>
      <RequestRows requests={own} />
    </>
  )
}

function BuildTable({builds}: {builds: readonly Build[]}) {
  if (builds.length === 0) return <p>It has not built yet.</p>
  return (
    <table className="table">
      <thead>
        <tr>
          <th>Build</th>
          <th>Result</th>
          <th>Revision</th>
          <th className="wide">Reason</th>
          <th className="wide">Worker</th>
          <th>Took</th>
          <th className="wide">When</th>
        </tr>
      </thead>
      <tbody>
        {builds.map((build) => (
          <tr key={build.id}>
            <th scope="row">
              <Link href={`/builds/${build.id}`} className="number">
                #{build.number}
              </Link>
            </th>
            <td>
              <Link href={`/builds/${build.id}`} tabIndex={-1}>
                <Verdict tone={toneOf(build)}>{build.summary === '' ? undefined : build.summary}</Verdict>
              </Link>
            </td>
            <td>
              <code>{shortRevision(build.gotRevision ?? build.sourceStamps[0]?.revision ?? '')}</code>
              <small>{build.sourceStamps[0]?.branch}</small>
            </td>
            <td className="wide">{build.reason}</td>
            <td className="wide">{build.worker}</td>
            <td className="figures">
              <Took from={build.startedAt} to={build.finishedAt} />
            </td>
            <td className="wide">
              <Ago at={build.startedAt ?? build.createdAt} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
