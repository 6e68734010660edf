// After a force: waits for the buildset's first build and goes there.
import {useQuery} from '@tanstack/react-query'
import {useEffect} from 'react'
import {useLocation} from 'wouter'
import {read} from '../api.ts'
import {useRefreshed} from '../asking.ts'
import {Answered} from '../frame/page.tsx'
import {Reasons} from '../waterfall/panel.tsx'

export function Started({buildset, onAgain}: {buildset: string; onAgain: () => void}) {
  const [, go] = useLocation()
  const key = ['buildset', buildset]
  const question = useQuery({queryKey: key, queryFn: () => read.buildset(buildset), refetchInterval: 2000})
  useRefreshed(key, ({type}) => type.startsWith('build.'), 300)
  const first = question.data?.requests.flatMap(({builds}) => builds)[0]
  useEffect(() => {
    if (first !== undefined) go(`/builds/${first}`)
  }, [first, go])
  return (
    <div>
      <p role="status">It is queued. As soon as it starts, this page goes there.</p>
      <Answered question={question}>
        {({requests}) => requests.map(({id, builder}) => <WaitingFor key={id} id={id} builder={builder} />)}
      </Answered>
      <p className="buttons">
        <button type="button" onClick={onAgain}>
          Another one
        </button>
      </p>
    </div>
  )
}

function WaitingFor({id, builder}: {id: string; builder: string}) {
  const {data} = useQuery({
    queryKey: ['request', id],
    queryFn: () => read.request(id),
    refetchInterval: 2000,
    retry: false,
  })
  return (
    <section>
      <h2>{builder}</h2>
      {data && <Reasons waiting={data.waiting} />}
    </section>
  )
}
