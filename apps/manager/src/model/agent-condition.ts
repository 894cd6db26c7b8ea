/** What the agent says about an object that it could not carry whole. */
export interface AgentCondition {
  /** One CamelCase word. */
  readonly reason: string;
  readonly message: string;
}
