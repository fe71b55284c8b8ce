/** StateService: what an address owns, what lies below an object, what a coin is. */
import { GrpcTypes } from "@mysten/sui/grpc";
import { normalizeStructTag, parseStructTag } from "@mysten/sui/utils";
import { assert } from "../../../shared/base/errors.ts";
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import { invalidArgument, notFound } from "../base/grpc-error.ts";
import { coinBalance, type StoredObject } from "../move/objects.ts";
import { SUI_TYPE, tokenOfCoin } from "../move/types.ts";
import { page, type RpcContext, requiredId } from "./context.ts";
import { applyMask } from "./wire/field-mask.ts";
import { type Methods, unary } from "./wire/grpc-web.ts";
import { objectMessage } from "./wire/proto-objects.ts";

const SERVICE = "sui.rpc.v2.StateService";

function structType(text: string | undefined, field: string): string {
  try {
    return normalizeStructTag(text ?? "");
  } catch (cause) {
    throw invalidArgument(`${field} is no struct type`, cause);
  }
}

function balanceMessage({ ledger }: RpcContext, owner: ObjectId, coinType: string): GrpcTypes.Balance {
  const coins = ledger.reads.ownedBy(owner).filter((object) => tokenOfCoin(object.type) === coinType);
  const coinSum = coins.reduce((sum, coin) => sum + (coinBalance(coin) ?? 0n), 0n);
  const addressBalance = ledger.reads.addressBalance(owner, coinType);
  return { coinType, balance: coinSum + addressBalance, coinBalance: coinSum, addressBalance };
}

/** A type without type arguments stands for all its instances. */
function typeFilter(text: string | undefined): (object: StoredObject) => boolean {
  if (text === undefined) return () => true;
  const wanted = structType(text, "object_type");
  return ({ type }) => type === wanted || type.startsWith(`${wanted}<`);
}

function dynamicFieldMessage(rpc: RpcContext, parent: ObjectId, field: StoredObject): GrpcTypes.DynamicField {
  const [keyType, valueType] = parseStructTag(field.type).typeParams.map((each) =>
    typeof each === "string" ? each : normalizeStructTag(each),
  );
  const layout = rpc.types.layout(field.type);
  assert(layout !== undefined, `stored fields have a layout: ${field.type}`);
  // Fields are `Field<K, V>`, which all have these three parts.
  const { value } = layout.parse(field.contents) as { value: unknown };
  const valueBytes =
    valueType === undefined ? undefined : rpc.types.layout(valueType)?.serialize(value).toBytes();
  const isObject = keyType?.includes("::dynamic_object_field::Wrapper<") === true;
  const kinds = GrpcTypes.DynamicField_DynamicFieldKind;
  return {
    kind: isObject ? kinds.OBJECT : kinds.FIELD,
    parent,
    fieldId: field.id,
    fieldObject: objectMessage(field),
    ...(valueBytes === undefined || valueType === undefined
      ? {}
      : {
          value: { name: valueType, value: valueBytes },
          name: {
            name: keyType ?? "",
            value: field.contents.slice(32, field.contents.length - valueBytes.length),
          },
        }),
    ...(valueType === undefined ? {} : { valueType }),
    ...(isObject && typeof value === "string" ? { childId: value } : {}),
  };
}

function coinInfo(rpc: RpcContext, coinType: string): GrpcTypes.GetCoinInfoResponse {
  const known: Readonly<Record<string, readonly [symbol: string, name: string]>> = {
    [SUI_TYPE]: ["SUI", "Sui"],
    [rpc.types.walToken]: ["WAL", "WAL Token"],
  };
  const found = Object.hasOwn(known, coinType) ? known[coinType] : undefined;
  if (found === undefined) throw notFound(`coin type ${coinType} not found`);
  const [symbol, name] = found;
  return { coinType, metadata: { decimals: 9, name, symbol, description: "" } };
}

export const stateMethods = (rpc: RpcContext): Methods => ({
  [`${SERVICE}/GetBalance`]: unary(GrpcTypes.GetBalanceRequest, GrpcTypes.GetBalanceResponse, (request) => {
    const owner = requiredId(request.owner, "owner");
    const token = structType(request.coinType ?? SUI_TYPE, "coin_type");
    return { balance: balanceMessage(rpc, owner, token) };
  }),
  [`${SERVICE}/ListBalances`]: unary(
    GrpcTypes.ListBalancesRequest,
    GrpcTypes.ListBalancesResponse,
    (request) => {
      const owner = requiredId(request.owner, "owner");
      const tokens = new Set([
        ...rpc.ledger.reads.ownedBy(owner).flatMap((object) => tokenOfCoin(object.type) ?? []),
        ...rpc.ledger.reads.addressBalances(owner).keys(),
      ]);
      const { items, next } = page([...tokens].sort(), (token) => token, request.pageSize, request.pageToken);
      return {
        balances: items.map((token) => balanceMessage(rpc, owner, token)),
        ...(next === undefined ? {} : { nextPageToken: next }),
      };
    },
  ),
  [`${SERVICE}/ListOwnedObjects`]: unary(
    GrpcTypes.ListOwnedObjectsRequest,
    GrpcTypes.ListOwnedObjectsResponse,
    (request) => {
      const owner = requiredId(request.owner, "owner");
      const matches = typeFilter(request.objectType);
      const all = rpc.ledger.reads
        .ownedBy(owner)
        .filter((object) => object.owner.kind === "address" && matches(object));
      const { items, next } = page(all, (object) => object.id, request.pageSize, request.pageToken);
      const fallback = ["object_id", "version", "object_type"];
      return {
        objects: items.map((object) =>
          applyMask(GrpcTypes.Object, objectMessage(object), request.readMask, fallback),
        ),
        ...(next === undefined ? {} : { nextPageToken: next }),
      };
    },
  ),
  [`${SERVICE}/ListDynamicFields`]: unary(
    GrpcTypes.ListDynamicFieldsRequest,
    GrpcTypes.ListDynamicFieldsResponse,
    (request) => {
      const parent = requiredId(request.parent, "parent");
      const all = rpc.ledger.reads
        .ownedBy(parent)
        .filter(
          (object) => object.owner.kind === "object" && object.type.includes("::dynamic_field::Field<"),
        );
      const { items, next } = page(all, (object) => object.id, request.pageSize, request.pageToken);
      return {
        dynamicFields: items.map((field) =>
          applyMask(GrpcTypes.DynamicField, dynamicFieldMessage(rpc, parent, field), request.readMask, [
            "parent",
            "field_id",
          ]),
        ),
        ...(next === undefined ? {} : { nextPageToken: next }),
      };
    },
  ),
  [`${SERVICE}/GetCoinInfo`]: unary(GrpcTypes.GetCoinInfoRequest, GrpcTypes.GetCoinInfoResponse, (request) =>
    coinInfo(rpc, structType(request.coinType, "coin_type")),
  ),
});
