// Which address shows which page.
import {useEffect, type ReactNode} from 'react'
import {Route, Switch, useLocation} from 'wouter'
import {BuildPage} from './build/page.tsx'
import {BuilderPage} from './builders/page.tsx'
import {BuildersPage} from './builders/list.tsx'
import {ForcePage} from './force/page.tsx'
import {Frame} from './frame/frame.tsx'
import {LoginPage} from './login/page.tsx'
import {PromotionsPage} from './promotions/page.tsx'
import {RequestsPage} from './requests/page.tsx'
import {WaterfallPage} from './waterfall/page.tsx'
import {WorkersPage} from './workers/page.tsx'

export const App = () => (
  <Frame>
    <Switch>
      <Route path="/">{() => <WaterfallPage />}</Route>
      <Route path="/builders">{() => <BuildersPage />}</Route>
      <Route path="/builders/:name">{({name}) => <BuilderPage name={decodeURIComponent(name)} />}</Route>
      <Route path="/builds/:id">{({id}) => <BuildPage key={id} id={decodeURIComponent(id)} />}</Route>
      <Route path="/workers">{() => <WorkersPage />}</Route>
      <Route path="/promotions">{() => <PromotionsPage />}</Route>
      <Route path="/requests">{() => <RequestsPage />}</Route>
      <Route path="/force/:name">
        {({name}) => <ForcePage key={name} name={decodeURIComponent(name)} />}
      </Route>
      <Route path="/login">{() => <LoginPage />}</Route>
      <Route>{() => <Nowhere />}</Route>
    </Switch>
  </Frame>
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
        There is nothing at <code>{path}</code>. The waterfall is <a href="/">here</a>.
      </p>
    </div>
  )
}
