import { Costs } from "./costs.ts";
import { Predictor } from "./predictor.ts";

/** The costs and chances that runs have taught of a pair of lanes: kept from one run to the next. */
export class Estimates {
  readonly costs: Costs = new Costs();
  readonly predictor: Predictor = new Predictor();
  /** The predictor of drafts that were looked up beside the draft lane's. */
  readonly lookUp: Predictor = new Predictor();
}
