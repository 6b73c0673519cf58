# Texts of the components, which all pages share.

shell-skip = 本文へ移動
shell-error-title = エラー: { $title }
navigation-label = メインナビゲーション
navigation-open = ナビゲーションを開く
crumbs-label = パンくずリスト
search-label = 検索
search-shortcut = 検索 (Ctrl+K)
search-start = 検索を開始

switcher-label = 組織: { $organization }。組織を切り替える
switcher-none = 組織を選択
switcher-search = 組織を検索
switcher-all = すべての組織
switcher-create = 組織を作成する
switcher-invitations = 保留中の招待 { $count } 件
account-label = アカウント: { $user }
account-sign-out = サインアウト

button-busy = 送信中…
button-confirm = 実行する
button-cancel = キャンセル
button-undo = 元に戻す
field-optional = （任意）
summary-title = { $count } 件の問題があります
dialog-close = 閉じる
copy-label = { $code } をコピー
copy-copied = コピーしました

pager-label = ページ
pager-first = 最初のページ
pager-next = 次のページ
pager-size = 表示件数:

meter-limited = { $used } / { $limit }
meter-unlimited = { $used }、無制限
meter-reserved = + 子プロジェクト用 { $reserved }

empty-filter-title = 条件に一致する項目はありません
empty-filter-clear = 絞り込みを解除する
unavailable-title = { $source } を利用できません
unavailable-text = このページの他の部分は正しく表示されています。再読み込みしてもう一度お試しください。

step-waiting = 待機中
step-running = 実行中
step-completed = 完了
step-failed = 失敗
steps-progress = { $total } ステップ中 { $completed } ステップ完了

conditions-caption = 状態
conditions-type = 条件
conditions-status = 状態
conditions-reason = 理由
conditions-since = 発生日時
condition-true = 真
condition-false = 偽
condition-unknown = 不明

diff-removed = 削除:
diff-added = 追加:
diff-nothing = なし

chart-empty = この期間のデータはありません。
chart-table = 値を表で表示
chart-time = 日時

danger-consequences = 次のことが直ちに行われ、元に戻せません:
danger-type-name = 確認のため { $name } と入力してください

shell-commands-title = コマンドラインで実行する
