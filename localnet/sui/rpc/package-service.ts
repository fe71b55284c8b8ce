/** MovePackageService: signatures of functions, and where the types of the Walrus package were first defined. */
import { GrpcTypes } from "@mysten/sui/grpc";
import { SLASHING_STRUCTS } from "../../../shared/sui/audit/slashing.ts";
import { parseStructName, WALRUS_STRUCTS } from "../../../shared/sui/client/type-names.ts";
import { EVENT_LAYOUTS } from "../../../shared/sui/walrus/events.ts";
import { notFound } from "../base/grpc-error.ts";
import type { MoveSignature, Passing, TypeTerm } from "../move/signature.ts";
import { FRAMEWORK } from "../move/types.ts";
import type { MoveFunction, Package } from "../vm/packages.ts";
import { type RpcContext, required, requiredId } from "./context.ts";
import { type Methods, unary } from "./wire/grpc-web.ts";

const SERVICE = "sui.rpc.v2.MovePackageService";

function findPackage({ packages }: RpcContext, packageId: string | undefined): Package {
  const found = packages.find(requiredId(packageId, "package_id"));
  if (found === undefined) throw notFound(`package ${packageId ?? ""} not found`);
  return found;
}

const KINDS = GrpcTypes.OpenSignatureBody_Type;
const PRIMITIVES: Readonly<Record<string, GrpcTypes.OpenSignatureBody_Type>> = {
  address: KINDS.ADDRESS,
  bool: KINDS.BOOL,
  u8: KINDS.U8,
  u16: KINDS.U16,
  u32: KINDS.U32,
  u64: KINDS.U64,
  u128: KINDS.U128,
  u256: KINDS.U256,
};

function bodyMessage(term: TypeTerm): GrpcTypes.OpenSignatureBody {
  switch (term.kind) {
    case "primitive":
      return { type: PRIMITIVES[term.name] ?? KINDS.TYPE_UNKNOWN, typeParameterInstantiation: [] };
    case "parameter":
      return {
        type: KINDS.TYPE_PARAMETER,
        typeParameter: term.index,
        typeParameterInstantiation: [],
      };
    case "vector":
      return { type: KINDS.VECTOR, typeParameterInstantiation: [bodyMessage(term.element)] };
    case "struct":
      return {
        type: KINDS.DATATYPE,
        typeName: term.name,
        typeParameterInstantiation: term.arguments.map(bodyMessage),
      };
  }
}

function parameterMessage(passing: Passing, type: TypeTerm): GrpcTypes.OpenSignature {
  const body = bodyMessage(type);
  if (passing === "value") return { body };
  const references = GrpcTypes.OpenSignature_Reference;
  return { reference: passing === "reference" ? references.IMMUTABLE : references.MUTABLE, body };
}

const CONTEXT_TERM: TypeTerm = { kind: "struct", name: `${FRAMEWORK}::tx_context::TxContext`, arguments: [] };

function functionMessage({
  name,
  isPrivateEntry,
  ...signature
}: MoveSignature): GrpcTypes.FunctionDescriptor {
  const parameters = signature.parameters.map(({ passing, type }) => parameterMessage(passing, type));
  if (signature.context !== undefined) parameters.push(parameterMessage(signature.context, CONTEXT_TERM));
  return {
    name,
    visibility: isPrivateEntry
      ? GrpcTypes.FunctionDescriptor_Visibility.PRIVATE
      : GrpcTypes.FunctionDescriptor_Visibility.PUBLIC,
    isEntry: isPrivateEntry,
    typeParameters: Array.from({ length: signature.typeParameters }, () => ({ constraints: [] })),
    parameters,
    returns: signature.returns.map((type) => parameterMessage("value", type)),
  };
}

function packageMessage(rpc: RpcContext, found: Package): GrpcTypes.Package {
  const isWalrus = found.version > 0n;
  const modules = new Map<string, MoveFunction[]>();
  for (const each of found.functions.values()) {
    modules.set(each.signature.module, [...(modules.get(each.signature.module) ?? []), each]);
  }
  const origin = (struct: string): GrpcTypes.TypeOrigin => {
    const [moduleName = "", datatypeName = ""] = struct.split("::");
    return { moduleName, datatypeName, packageId: rpc.ids.originalPackageId };
  };
  return {
    storageId: found.packageId,
    originalId: isWalrus ? rpc.ids.originalPackageId : found.packageId,
    version: isWalrus ? found.version : 1n,
    modules: [...modules].map(([name, functions]) => ({
      name,
      datatypes: [],
      functions: functions.map(({ signature }) => functionMessage(signature)),
    })),
    typeOrigins: isWalrus
      ? [
          ...Object.values(WALRUS_STRUCTS).map(origin),
          ...Object.keys(EVENT_LAYOUTS).map((name) => origin(`events::${name}`)),
          ...Object.values(SLASHING_STRUCTS).map((struct) => ({
            ...origin(struct),
            packageId: parseStructName(rpc.types.slashingManager).packageId,
          })),
        ]
      : [],
    linkage: [],
  };
}

export const packageMethods = (rpc: RpcContext): Methods => ({
  [`${SERVICE}/GetFunction`]: unary(
    GrpcTypes.GetFunctionRequest,
    GrpcTypes.GetFunctionResponse,
    (request) => {
      const module = required(request.moduleName, "module_name");
      const name = required(request.name, "name");
      const found = findPackage(rpc, request.packageId).functions.get(`${module}::${name}`);
      if (found === undefined) throw notFound(`function ${module}::${name} not found`.slice(0, 300));
      return { function: functionMessage(found.signature) };
    },
  ),
  [`${SERVICE}/GetPackage`]: unary(GrpcTypes.GetPackageRequest, GrpcTypes.GetPackageResponse, (request) => ({
    package: packageMessage(rpc, findPackage(rpc, request.packageId)),
  })),
  [`${SERVICE}/ListPackageVersions`]: unary(
    GrpcTypes.ListPackageVersionsRequest,
    GrpcTypes.ListPackageVersionsResponse,
    (request) => {
      const found = findPackage(rpc, request.packageId);
      const versions = found.version > 0n ? rpc.packages.walrus : [{ ...found, version: 1n }];
      return { versions: versions.map(({ packageId, version }) => ({ packageId, version })) };
    },
  ),
});
