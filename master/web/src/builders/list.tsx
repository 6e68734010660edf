// All builders: what each does now and what came of its last build.
import {useQuery} from '@tanstack/react-query'
import {useState} from 'react'
import {Link} from 'wouter'
import {groupBuilders, parseFilter, showsBuilder} from '../../core/columns.ts'
import {toneOf} from '../../core/marks.ts'
import {sayCount} from '../../core/say.ts'
import {read} from '../api.ts'
import {useRefreshed} from '../asking.ts'
import {Verdict} from '../frame/marks.tsx'
import {Answered, Page} from '../frame/page.tsx'
import {Ago, Took} from '../frame/times.tsx'

const key = ['builders']

export function BuildersPage() {
  const [text, setText] = useState('')
  const question = useQuery({queryKey: key, queryFn: read.builders})
  useRefreshed(
    key,
    ({type}) => type.startsWith('build.') || type === 'request.added' || type === 'config.applied',
    1500,
  )
  const filter = parseFilter(text)
  return (
    <Page
      title="Builders"
      aside={
        <label className="filter">
          <span className="unseen">Filter by name or tag</span>
          <input
            type="search"
            placeholder="Filter by name or tag"
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        </label>
      }
    >
      <Answered question={question}>
        {({items}) => {
          const shown = items
            .map((builder) => ({...builder, lastResult: builder.lastBuild?.result ?? null}))
            .filter((builder) => showsBuilder(filter, builder))
          if (shown.length === 0)
            return <p>{items.length === 0 ? 'No builders are configured yet.' : 'None matches.'}</p>
          return (
            <table className="table">
              <thead>
                <tr>
                  <th>Builder</th>
                  <th>Now</th>
                  <th>Last build</th>
                  <th className="wide">Took</th>
                  <th className="wide">When</th>
                  <th className="wide">Needs</th>
                </tr>
              </thead>
              {groupBuilders(shown, false).map(({tag, builders}) => (
                <tbody key={tag}>
                  {tag !== '' && (
                    <tr className="group">
                      <th colSpan={6} scope="rowgroup">
                        {tag}
                      </th>
                    </tr>
                  )}
                  {builders.map((builder) => (
                    <tr key={builder.name}>
                      <th scope="row">
                        <Link href={`/builders/${encodeURIComponent(builder.name)}`}>{builder.name}</Link>
                        {builder.description !== '' && <small>{builder.description}</small>}
                      </th>
                      <td>
                        {builder.state}
                        {builder.pending > 0 && <small>{sayCount(builder.pending, 'request')} waiting</small>}
                      </td>
                      <td>
                        {builder.lastBuild ? (
                          <Link href={`/builds/${builder.lastBuild.id}`}>
                            <Verdict tone={toneOf(builder.lastBuild)}>
                              #{builder.lastBuild.number} {builder.lastBuild.summary}
                            </Verdict>
                          </Link>
                        ) : (
                          'never built'
                        )}
                      </td>
                      <td className="wide figures">
                        {builder.lastBuild && (
                          <Took from={builder.lastBuild.startedAt} to={builder.lastBuild.finishedAt} />
                        )}
                      </td>
                      <td className="wide">
                        {builder.lastBuild && (
                          <Ago at={builder.lastBuild.startedAt ?? builder.lastBuild.createdAt} />
                        )}
                      </td>
                      <td className="wide">{builder.needs.join(', ')}</td>
                    </tr>
                  ))}
                </tbody>
              ))}
            </table>
          )
        }}
      </Answered>
    </Page>
  )
}
