import { ThemeContext } from '@grafana/data';
import { PanelChrome } from '@grafana/ui';
import { Component, type ReactNode } from 'react';
import { createRoot } from 'react-dom/client';
import { Chart } from './drawn';
import { theme } from './frames';
import { filled, preview, type PanelAnswers } from './page';

const COLUMN = 54;
const LINE = 34;
const GAP = 8;
const HEAD = 44;

class Guarded extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state = { error: null };
  static getDerivedStateFromError(error: Error) {
    return { error };
  }
  override render() {
    const error = this.state.error as Error | null;
    if (error === null) return this.props.children;
    return (
      <pre className="failed" style={{ color: 'red' }}>
        {error.stack?.slice(0, 300)}
      </pre>
    );
  }
}

function Placed({ panel, answers }: PanelAnswers) {
  const { x, y, w, h } = panel.gridPos;
  const place = { position: 'absolute' as const, left: x * COLUMN, top: HEAD + y * LINE };
  if (panel.type === 'row') return <b style={{ ...place, padding: GAP }}>{panel.title}</b>;
  return (
    <div style={place}>
      <PanelChrome title={filled(panel.title)} width={w * COLUMN - GAP} height={h * LINE - GAP}>
        {(width: number, height: number) => (
          <Guarded>
            <div style={{ width, height, overflow: 'hidden' }}>
              <Chart {...{ panel, answers, width, height }} />
            </div>
          </Guarded>
        )}
      </PanelChrome>
    </div>
  );
}

function Dashboard() {
  const { title, panels } = preview;
  const lines = Math.max(...panels.map(({ panel: { gridPos } }) => gridPos.y + gridPos.h));
  const page = {
    position: 'relative' as const,
    width: 24 * COLUMN,
    height: HEAD + lines * LINE,
    background: theme.colors.background.canvas,
    color: theme.colors.text.primary,
    fontFamily: theme.typography.fontFamily,
  };
  return (
    <ThemeContext.Provider value={theme}>
      <div style={page}>
        <div
          style={{ display: 'flex', justifyContent: 'space-between', alignItems: 'center', height: HEAD, padding: 8 }}
        >
          <b style={{ fontSize: 18 }}>{title}</b>
          <span style={{ color: theme.colors.text.secondary, fontSize: 12 }}>
            Preview of simulated traffic: real queries, Grafana&apos;s components, no Grafana
          </span>
        </div>
        {panels.map((each) => (
          <Placed key={each.panel.id} {...each} />
        ))}
      </div>
    </ThemeContext.Provider>
  );
}

createRoot(document.getElementById('root')!).render(<Dashboard />);
