// Which address shows which page.
import {useQueryClient} from '@tanstack/react-query'
import {useEffect, type ReactNode} from 'react'
import {Link, Route, Router, Switch, useLocation} from 'wouter'
import {base} from './base.ts'
import {BuildPage} from './build/page.tsx'
import {BuilderPage} from './builders/page.tsx'
import {BuildersPage} from './builders/list.tsx'
import {ForcePage} from './force/page.tsx'
import {whoKey} from './asking.ts'
import {Frame} from './frame/frame.tsx'
import {Answered} from './frame/page.tsx'
import {goLive, useHappenings} from './live.ts'
import {LoginPage} from './login/page.tsx'
import {PromotionsPage} from './promotions/page.tsx'
import {RequestsPage} from './requests/page.tsx'
import {WaterfallPage} from './waterfall/page.tsx'
import {useWhoQuestion} from './session.ts'
import {WorkersPage} from './workers/page.tsx'

export function App() {
  const client = useQueryClient()
  const question = useWhoQuestion()
  const role = question.data?.role ?? null
  useEffect(() => (role === null ? undefined : goLive()), [role])
  useHappenings(({type}) => {
    if (type === 'refused') void client.invalidateQueries({queryKey: whoKey})
  })
  return (
    <Router base={base}>
      <Frame>
        <Answered question={question}>{() => (role === null ? <LoginPage inPlace /> : <Pages />)}</Answered>
      </Frame>
    </Router>
  )
}

const Pages = () => (
  <Switch>
    <Route path="/">{() => <WaterfallPage />}</Route>
    <Route path="/builders">{() => <BuildersPage />}</Route>
    <Route path="/builders/:name">{({name}) => <BuilderPage name={name} />}</Route>
    <Route path="/builds/:id">{({id}) => <BuildPage key={id} id={id} />}</Route>
    <Route path="/workers">{() => <WorkersPage />}</Route>
    <Route path="/promotions">{() => <PromotionsPage />}</Route>
    <Route path="/requests">{() => <RequestsPage />}</Route>
    <Route path="/force/:name">{({name}) => <ForcePage key={name} name={name} />}</Route>
    <Route path="/login">{() => <LoginPage />}</Route>
    <Route>{() => <Nowhere />}</Route>
  </Switch>
)

function Nowhere(): ReactNode {
  const [path] = useLocation()
  useEffect(() => {
    document.title = 'No such page · Ostler'
  }, [])
  return (
    <div className="page">
      <h1>No such page</h1>
      <p>
        There is nothing at <code>{path}</code>. The waterfall is <Link href="/">here</Link>.
      </p>
    </div>
  )
}
