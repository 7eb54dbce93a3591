/** How often a Deployment's copy is started again on one node before another node gets it; 0: any number. */
export const restartBudgetAnnotation = "starlight.dev/restart-budget";
export const restartBudgetDefault = 5;
export const isRestartBudget = (text: string): boolean => /^(0|[1-9]\d{0,3})$/.test(text);
