// The dashboards against Grafana's own types: `make observe` writes dashboards.ts beside a copy of this file.
import type { Dashboard } from '@grafana/schema';
import { dashboards } from './dashboards';

const checked: Array<Partial<Dashboard>> = dashboards;
console.log(checked.length);
