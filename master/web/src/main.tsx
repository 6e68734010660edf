// Starts the web page.
import {QueryClientProvider} from '@tanstack/react-query'
import {StrictMode} from 'react'
import {createRoot} from 'react-dom/client'
import {App} from './app.tsx'
import {answers} from './asking.ts'
import {goLive} from './live.ts'
import './style/tokens.css'
import './style/base.css'
import './style/frame.css'
import './style/waterfall.css'
import './style/build.css'
import './style/log.css'
import './style/pages.css'

goLive()
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={answers}>
      <App />
    </QueryClientProvider>
  </StrictMode>,
)
