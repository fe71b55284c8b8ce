/** What the rest of the Worker may ask of the wallet. */
import type {
  CertifiedBlob,
  CertifyRequest,
  RegisteredBlob,
  RegisterRequest,
} from "../../shared/sui/wallet/submissions.ts";

/** Spends money. Both calls answer one intent with one outcome, however often they are repeated. */
export interface WalletPort {
  register(request: RegisterRequest): Promise<RegisteredBlob>;
  certify(request: CertifyRequest): Promise<CertifiedBlob>;
}
