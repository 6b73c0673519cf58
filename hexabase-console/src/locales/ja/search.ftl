# 検索の文言。

search-all = すべての組織
search-command = 組織内を検索する
search-count = { $count ->
    [0] 結果はありません
   *[other] { $count } 件の結果
    }
search-destinations = ページと操作
search-invalid = 制御文字を含まない1〜100文字で検索してください
search-none = 見つかりませんでした
search-none-about = 名前、表示名、メールアドレスの一部を入力してください。閲覧できないものは表示されません。
search-partial = 最初の { $count } 個の組織だけを検索しています。他の組織を検索するには組織を選択してください。
search-text = 名前に含まれる文字
search-title = 検索
search-truncated = ほかにも結果があります。名前をさらに長く入力してください。
